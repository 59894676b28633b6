"""Parts as the content blocks of a request, and the names of what could not become one."""

from typing import Any, assert_never

import msgspec

from passerelle.codecs.bedrock.formats import (
    DocumentNames,
    document_format,
    image_format,
    sound_format,
    video_format,
)
from passerelle.codecs.bedrock.models import ModelRules
from passerelle.codecs.bedrock.read_blocks import whole_block
from passerelle.codecs.bedrock.seals import thought
from passerelle.codecs.call_ids import CallIds
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.losses import Losses
from passerelle.codecs.media import media_kind, parse_data_url
from passerelle.codecs.names import fit_name
from passerelle.core.message import (
    AudioPart,
    CacheTtl,
    Extra,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

Block = dict[str, Any]

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class BlockWriter:
    """Writes the blocks of one request. `native`: the caller spoke this dialect himself."""

    def __init__(self, *, native: bool, rules: ModelRules, lose: Losses, ids: CallIds) -> None:
        self._native = native
        self._rules = rules
        self._lose = lose
        self._ids = ids
        self._documents = DocumentNames()

    def blocks(self, parts: tuple[Part, ...]) -> list[Block]:
        """The blocks of a message's parts, in their order, each followed by its cache point."""
        written: list[Block] = []
        for part in parts:
            cache = getattr(part, "cache", None)
            block = self._block(part)
            if block is not None:
                written.append(block)
            if isinstance(part, ToolResultPart) and cache is None:
                cache = next((c.cache for c in reversed(part.content) if c.cache is not None), None)
            if cache is not None and written:
                self._cache(written, cache)
        return written

    def cache_point(self, ttl: CacheTtl, *, tools: bool = False) -> Block | None:
        """The mark up to which the prompt is cached; None, and a loss, where the model takes none."""
        takes = self._rules.caches_tools if tools else self._rules.caches
        if not takes and not self._native:
            self._lose("cache_control")
            return None
        hour = ttl == "1h" and (self._rules.caches_hour or self._native)
        if ttl == "1h" and not hour:
            self._lose("cache_control.ttl")
        return {"cachePoint": {"type": "default", "ttl": "1h"} if hour else {"type": "default"}}

    def _cache(self, written: list[Block], ttl: CacheTtl) -> None:
        if "toolResult" in written[-1] and not (self._rules.caches_results or self._native):
            self._lose("cache_control")
            return
        point = self.cache_point(ttl)
        if point is not None and "cachePoint" not in written[-1]:
            written.append(point)

    def _block(self, part: Part) -> Block | None:
        match part:
            case TextPart():
                return self._text(part)
            case ImagePart():
                return self._image(part)
            case FilePart():
                return self._file(part)
            case AudioPart():
                return self._audio(part)
            case ReasoningPart():
                return self._reasoning(part)
            case RefusalPart(text=text):
                return {"text": text} if text.strip() else None
            case ToolCallPart():
                return self._call(part)
            case ToolResultPart():
                return self._result(part)
            case _:
                assert_never(part)

    def _text(self, part: TextPart) -> Block | None:
        if self._native:
            kept = whole_block(part)
            if kept is not None:
                return dict(kept)
            if part.memo == {"cited": True}:
                said = [{"text": part.text}] if part.text else []
                cited = list(part.citations)
                return {"citationsContent": {"content": said, "citations": cited, **(part.extra or {})}}
        elif part.citations:
            self._lose("citations")
        self._lose_extra(part.extra)
        # A block without words is refused: "The text field in the ContentBlock object is blank".
        return {"text": part.text} if part.text.strip() else None

    def _image(self, part: ImagePart) -> Block | None:
        if part.detail not in (None, "auto"):
            self._lose("detail")
        media_type, data = part.media_type, part.data
        if data is None and part.url is not None:
            inline = parse_data_url(part.url)
            if inline is None:
                self._lose("image_url")  # Converse fetches nothing
                return None
            media_type, data = inline
        format = image_format(media_type)
        source = self._source(data, "file_id" if part.file_id is not None else "image")
        if source is None:
            return None
        if format is None:
            self._lose("image")
            return None
        return self._media("image", {"format": format, "source": source}, part.extra)

    def _source(self, data: str | None, name: str) -> Block | None:
        if data is not None:
            return {"bytes": data}
        self._lose(name)
        return None

    def _media(self, kind: str, fields: Block, extra: Extra) -> Block:
        """`fields` under their kind, with what a caller of this dialect said beside."""
        for name, value in (extra or {}).items():
            if not self._native:
                if name != "bedrock":
                    self._lose(name)
            elif name == "source" and isinstance(value, dict):
                fields["source"] = {**fields["source"], **value}
            else:
                fields[name] = value
        return {kind: fields}

    def _file(self, part: FilePart) -> Block | None:
        media_type, data = part.media_type, part.data
        if data is None and part.url is not None:
            inline = parse_data_url(part.url)
            if inline is None:
                self._lose("file")
                return None
            media_type, data = inline
        kind = media_kind(media_type)
        if kind == "image":
            return self._image(
                ImagePart(media_type=media_type, data=data, file_id=part.file_id, extra=part.extra)
            )
        if kind == "audio" and media_type is not None:
            return self._audio(AudioPart(media_type, data=data, extra=part.extra))
        memo = part.memo if self._native else None
        source = memo.get("source") if memo else None
        if source is None:
            source = self._source(data, "file_id" if part.file_id is not None else "file")
        if source is None:
            return None
        if kind == "video":
            format = video_format(media_type)
            if format is None:
                self._lose("video")
                return None
            return self._media("video", {"format": format, "source": dict(source)}, part.extra)
        format = document_format(media_type, part.name, data)
        if format is None:
            self._lose("file")
            return None
        name = part.name
        if not self._native or name is None:
            name = self._documents.take(name, format)
        return self._media("document", {"format": format, "name": name, "source": dict(source)}, part.extra)

    def _audio(self, part: AudioPart) -> Block | None:
        format = sound_format(part.media_type)
        if part.data is None or format is None:
            self._lose("input_audio")
            words = part.transcript
            return {"text": words} if words and words.strip() else None
        return self._media("audio", {"format": format, "source": {"bytes": part.data}}, part.extra)

    def _reasoning(self, part: ReasoningPart) -> Block | None:
        if part.origin == "bedrock":
            if part.encrypted is not None:
                return {"reasoningContent": {"redactedContent": part.encrypted}}
            if part.signature is not None:
                return thought(part.text, part.signature)
        if self._native and part.origin in (None, "bedrock") and part.text:
            return thought(part.text, "")  # models that do not sign theirs
        self._lose("reasoning")
        return None

    def _call(self, part: ToolCallPart) -> Block:
        if part.signature is not None:
            self._lose("reasoning")
        fields: Block = {
            "toolUseId": self._ids.call(part.id),
            "name": self.name(part.name),
            "input": _input(part),
        }
        if self._native:
            fields.update(part.extra or {})
        else:
            self._lose_extra(part.extra)
        return {"toolUse": fields}

    def name(self, name: str) -> str:
        """A tool's name as it is sent: a caller's own names are his to fit."""
        return name if self._native else fit_name(name)

    def _result(self, part: ToolResultPart) -> Block:
        content: list[Block] = []
        for item in part.content:
            if self._native and isinstance(item, TextPart) and item.memo == {"json": True}:
                content.append({"json": msgspec.Raw(item.text.encode())})
                continue
            block = self._block(item)
            if block is not None:
                content.append(block)
        if part.is_error and not (self._rules.result_status or self._native):
            first = content[0] if content and "text" in content[0] else None
            if first is None:
                content.insert(0, {"text": "Error"})
            elif not first["text"].lower().startswith("error"):
                first["text"] = f"Error: {first['text']}"
        fields: Block = {"toolUseId": self._ids.result(part.call_id), "content": content}
        if part.is_error and (self._rules.result_status or self._native):
            fields["status"] = "error"
        elif self._native and part.memo:
            fields.update(part.memo)
        if self._native:
            fields.update(part.extra or {})
        else:
            self._lose_extra(part.extra)
        return {"toolResult": fields}

    def _lose_extra(self, extra: Extra) -> None:
        for name in extra or ():
            if name != "bedrock":  # an answer's part come back as history
                self._lose(name)


def _input(part: ToolCallPart) -> object:
    """A call's arguments, which must be an object here. What is not one is put under `input`, where the
    schema of a `custom` tool also puts its text."""
    if part.kind == "function":
        text = part.arguments.strip()
        if not text:
            return {}
        try:
            _object.decode(text)
        except (*BAD_JSON, UnicodeEncodeError):
            return {"input": part.arguments}
        return msgspec.Raw(text.encode())
    return {"input": part.arguments}
