"""Parts as the content blocks of a request, and the names of what could not become one."""

import binascii
from typing import Any, Final, assert_never

import msgspec

from passerelle.codecs.anthropic.citations import is_own
from passerelle.codecs.anthropic.read_blocks import kept_block
from passerelle.codecs.call_ids import CallIds
from passerelle.codecs.claude import ModelRules
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.losses import Losses
from passerelle.codecs.media import media_kind, parse_data_url, true_type
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

_TEXT_TYPES: Final = frozenset(
    {"application/json", "application/xml", "application/yaml", "application/x-yaml"}
)
_UNSAID: Final = frozenset({None, "", "application/octet-stream"})
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class BlockWriter:
    """Writes the blocks of one request. `native`: the caller spoke this dialect himself."""

    def __init__(
        self, *, native: bool, rules: ModelRules, quirks: frozenset[str], lose: Losses, ids: CallIds
    ) -> None:
        self._native = native
        self._rules = rules
        self._quirks = quirks
        self._lose = lose
        self._ids = ids

    def blocks(self, parts: tuple[Part, ...]) -> list[Block]:
        """The blocks of a message's parts, in their order."""
        written = [self._block(part) for part in parts]
        return [block for block in written if block is not None]

    def name(self, name: str) -> str:
        """A tool's name as it is sent: a caller's own names are his to fit.

        Claude takes 128 characters (the API's own words in anthropics/claude-code#96152), those who
        copied the dialect 64.
        """
        return name if self._native else fit_name(name, self.name_limit)

    @property
    def name_limit(self) -> int:
        """The longest tool name taken."""
        return 128 if self._rules.claude else 64

    def _block(self, part: Part) -> Block | None:
        match part:
            case TextPart():
                return self._text(part)
            case ImagePart():
                return self._image(part)
            case FilePart():
                return self._file(part)
            case ReasoningPart():
                return self._reasoning(part)
            case RefusalPart(text=text):
                return {"type": "text", "text": text} if text.strip() else None
            case AudioPart(transcript=transcript):
                self._lose("input_audio")
                return {"type": "text", "text": transcript} if transcript and transcript.strip() else None
            case ToolCallPart():
                return self._call(part)
            case ToolResultPart():
                return self._result(part)
            case _:
                assert_never(part)

    def _text(self, part: TextPart) -> Block | None:
        if part.extra is not None and self._native:
            kept = kept_block(part)
            if kept is not None:
                return kept
        # A block without words is refused: "text content blocks must be non-empty".
        if not part.text.strip():
            self._finish({}, None, part.extra)
            if part.cache is not None:  # a mark needs a block to stand on
                self._lose("cache_control")
            return None
        block: Block = {"type": "text", "text": part.text}
        if part.citations:
            own = [citation for citation in part.citations if is_own(citation)] if self._native else []
            if own:
                block["citations"] = own
            if len(own) < len(part.citations):
                self._lose("citations")
        if part.cache is None and part.extra is None:
            return block
        return self._finish(block, part.cache, part.extra)

    def _image(self, part: ImagePart) -> Block | None:
        if part.detail not in (None, "auto"):
            self._lose("detail")
        source = self._source(part.data, part.media_type, part.url, part.file_id)
        if source is None:
            return None
        return self._finish({"type": "image", "source": source}, part.cache, part.extra)

    def _source(
        self, data: str | None, media_type: str | None, url: str | None, file_id: str | None
    ) -> Block | None:
        if url is not None and data is None:
            inline = parse_data_url(url)
            if inline is not None:
                media_type, data = inline
        if data is not None:
            kind = true_type(media_type or "image/png")
            return {"type": "base64", "media_type": kind, "data": data}
        if url is not None:
            if "no_image_url" in self._quirks:
                self._lose("image_url")
                return None
            return {"type": "url", "url": url}
        if file_id is not None and self._native:
            return {"type": "file", "file_id": file_id}
        self._lose("file_id")
        return None

    def _file(self, part: FilePart) -> Block | None:
        memo = (part.memo or {}) if self._native else {}
        source: Block | None = memo.get("source")
        if source is None and part.media_type and media_kind(part.media_type) == "image":
            found = self._source(part.data, part.media_type, part.url, part.file_id)
            if found is None:
                return None
            return self._finish({"type": "image", "source": found}, part.cache, part.extra)
        source = source or self._document(part)
        if source is None:
            return None
        block: Block = {"type": "document", "source": source}
        if part.name is not None:
            block["title"] = part.name
        return self._finish(block, part.cache, {n: v for n, v in (part.extra or {}).items() if n not in memo})

    def _document(self, part: FilePart) -> Block | None:
        """A document's source: Anthropic takes PDFs, plain text and its own file ids."""
        data, media_type = part.data, part.media_type
        if data is None and part.url is not None:
            inline = parse_data_url(part.url)
            if inline is None:
                return {"type": "url", "url": part.url}
            media_type, data = inline
        if data is not None:
            kind = media_kind(media_type)
            unsaid = media_type in _UNSAID  # then the data itself must tell
            if kind == "pdf" or (unsaid and data.startswith("JVBERi")):  # `%PDF-` in base64
                return {"type": "base64", "media_type": "application/pdf", "data": data}
            if kind == "text" or media_type in _TEXT_TYPES or unsaid:
                words = _decoded(data)
                if words is not None and words.strip():
                    return {"type": "text", "media_type": "text/plain", "data": words}
        elif part.file_id is not None and self._native:
            return {"type": "file", "file_id": part.file_id}
        self._lose("file" if part.file_id is None else "file_id")
        return None

    def _reasoning(self, part: ReasoningPart) -> Block | None:
        if part.origin == "anthropic":
            if part.encrypted is not None:
                return self._finish({"type": "redacted_thinking", "data": part.encrypted}, None, part.extra)
            if part.signature is not None:
                block = {"type": "thinking", "thinking": part.text, "signature": part.signature}
                return self._finish(block, None, part.extra)
        if self._native and not self._rules.claude and part.origin in (None, "anthropic"):
            # Other makers' Anthropic-compatible APIs give thoughts without a signature and take them so.
            return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
        self._lose("reasoning")
        return None

    def _call(self, part: ToolCallPart) -> Block:
        if part.signature is not None:
            self._lose("reasoning")
        block: Block = {
            "type": "tool_use",
            "id": self._ids.call(part.id),
            "name": self.name(part.name),
            "input": call_input(part),
        }
        if self._native and part.memo:
            block.update(part.memo)
        return self._finish(block, part.cache, part.extra)

    def _result(self, part: ToolResultPart) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self._ids.result(part.call_id)}
        content = self.blocks(part.content)
        if content:
            block["content"] = plain(content)
        if part.is_error:
            block["is_error"] = True
        return self._finish(block, part.cache, part.extra)

    def _finish(self, block: Block, cache: CacheTtl | None, extra: Extra) -> Block:
        if cache is not None:
            block["cache_control"] = cache_control(cache)
        for name, value in (extra or {}).items():
            if name == "anthropic" and isinstance(value, dict):  # an answer's part come back as history
                block.update(value)
            elif not self._native:
                self._lose(name)
            elif name == "source" and isinstance(value, dict):
                block[name] = {**block.get(name, {}), **value}  # what its writer does not name
            else:
                block[name] = value
        return block


def plain(blocks: list[Block]) -> str | list[Block]:
    """A lone text block is the string it holds; Anthropic reads both alike."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        text: str = blocks[0]["text"]
        return text
    return blocks


def cache_control(ttl: CacheTtl) -> Block:
    """The mark up to which the prompt is cached; five minutes is the default and goes unsaid."""
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}


def call_input(part: ToolCallPart) -> object:
    """A call's arguments, which must be an object here. What is not one is put under `input`, where
    the schema of a `custom` tool also puts its text."""
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


def _decoded(data: str) -> str | None:
    """The text in base64 `data`, or None when it holds none."""
    try:
        text = binascii.a2b_base64(data.encode()).decode()
    except (binascii.Error, UnicodeError):
        return None
    return None if "\0" in text else text
