"""Parts → content parts of a message or of a tool's output: words, pictures, documents, sound."""

from collections.abc import Iterable
from typing import assert_never

from passerelle.codecs.media import audio_format, media_kind, to_data_url
from passerelle.codecs.openai_reading import Json
from passerelle.codecs.openai_responses.tools import DIALECT
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import Dialect

_EXTENSIONS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/csv": "csv",
    "text/markdown": "md",
    "text/html": "html",
    "application/json": "json",
}
"""The API wants a file's name with its data."""


class Pieces:
    """Content parts for one request; what cannot be carried is added to `dropped`."""

    def __init__(self, dialect: Dialect, quirks: frozenset[str], dropped: list[str]) -> None:
        self.ours = dialect == DIALECT
        self._openai = dialect in (DIALECT, "openai_chat")  # their file ids are the same
        self._quirks = quirks
        self.dropped = dropped

    def all(self, parts: Iterable[Part]) -> list[Json]:
        """The content parts of `parts`, without those that are empty or cannot be carried."""
        found = [self._piece(part) for part in parts]
        return [piece for piece in found if piece is not None]

    def _piece(self, part: Part) -> Json | None:
        if isinstance(part, TextPart):
            return self._words(part)
        if isinstance(part, ImagePart):
            return self._image(part)
        if isinstance(part, FilePart):
            return self._file(part)
        if isinstance(part, AudioPart):
            return self._audio(part)
        if isinstance(part, RefusalPart):
            return {"type": "input_text", "text": part.text} if part.text else None
        if isinstance(part, ReasoningPart):
            self.dropped.append("reasoning")
            return None
        if isinstance(part, ToolCallPart | ToolResultPart):
            return None  # items of their own: `add` and `_assistant` see to them
        assert_never(part)

    def _words(self, part: TextPart) -> Json | None:
        raw = (part.memo or {}).get("raw") if self.ours else None
        if raw == "content" and part.extra:
            return dict(next(iter(part.extra.values())))
        if not part.text:
            self._lost(part)
            return None
        return self._finish({"type": "input_text", "text": part.text}, part)

    def _lost(self, part: TextPart | ImagePart | FilePart | AudioPart) -> None:
        """What a part of another dialect held beside its content."""
        if not self.ours:
            self.dropped.extend(part.extra or ())

    def _finish(self, entry: Json, part: TextPart | ImagePart | FilePart | AudioPart) -> Json:
        if self.ours:
            entry.update(part.extra or {})
            mark = (part.memo or {}).get("breakpoint")
            if mark is not None:
                entry["prompt_cache_breakpoint"] = mark
        else:
            self._lost(part)
        return entry

    def _image(self, part: ImagePart) -> Json | None:
        entry: Json = {"type": "input_image"}
        if part.detail is not None:
            entry["detail"] = part.detail
        if part.data is not None:
            entry["image_url"] = to_data_url(part.media_type or "image/png", part.data)
        elif part.url is not None and part.url.startswith(("http://", "https://")):
            if "no_image_url" in self._quirks:
                self.dropped.append("image_url")
                return None
            entry["image_url"] = part.url
        elif part.url is not None and self.ours:
            entry["image_url"] = part.url
        elif part.file_id is None or not self._openai:
            self.dropped.append("image")
            return None
        if part.file_id is not None and self._openai:
            entry["file_id"] = part.file_id
        return self._finish(entry, part)

    def _file(self, part: FilePart) -> Json | None:
        if not self.ours:
            kind = media_kind(part.media_type)
            if kind == "image":
                return self._image(ImagePart(part.media_type, part.data, part.url, extra=part.extra))
            if kind == "audio" and part.data is not None:
                return self._audio(AudioPart(part.media_type or "", part.data, extra=part.extra))
            if kind in ("audio", "video"):
                self.dropped.append(kind)
                return None
        entry: Json = {"type": "input_file"}
        name = part.name
        if part.data is not None:
            bare = self.ours and part.media_type is None
            entry["file_data"] = part.data if bare else to_data_url(part.media_type, part.data)
            if name is None and not self.ours:
                name = f"file.{_EXTENSIONS.get(part.media_type or '', 'pdf')}"
        elif part.url is not None and (self.ours or part.url.startswith(("http://", "https://"))):
            entry["file_url"] = part.url
        elif part.file_id is None or not self._openai:
            self.dropped.append("file")
            return None
        if part.file_id is not None and self._openai:
            entry["file_id"] = part.file_id
        if name is not None:
            entry["filename"] = name
        return self._finish(entry, part)

    def _audio(self, part: AudioPart) -> Json | None:
        form = audio_format(part.media_type)
        if part.data is None or form not in ("wav", "mp3"):
            self.dropped.append("audio")
            return None
        return self._finish({"type": "input_audio", "input_audio": {"data": part.data, "format": form}}, part)
