"""Anthropic's content blocks into parts.

A block of a kind the house has no part for (server tools and their results, uploads, compaction, and
next month's) becomes a `TextPart` without words, with the whole block in `extra` under its own type:
it goes back unchanged to this dialect, and every other codec reports that one name.
"""

import binascii
from collections.abc import Callable

import msgspec

from passerelle.codecs.anthropic.citations import read_citation
from passerelle.codecs.fields import (
    JsonObject,
    array,
    join,
    missing,
    need_str,
    obj,
    take_bool,
    take_str,
    wrong,
)
from passerelle.codecs.sealed import Sealed, unseal
from passerelle.core.message import (
    CacheTtl,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_encode = msgspec.json.Encoder().encode
_DIRECT = {"type": "direct"}
"""The `caller` of a call the model made itself: what every other dialect takes for granted."""


def read_content(content: object, path: str) -> list[Part]:
    """The parts of a message's `content`: a string or a list of blocks. Raises `ProblemError`."""
    if isinstance(content, str):
        return [TextPart(content)] if content else []
    if content is None:
        raise missing(path)
    if not isinstance(content, list):
        raise wrong(path, content, "a string or a list of content blocks")
    parts: list[Part] = []
    seals: list[Sealed] = []
    for index, block in enumerate(content):
        where = f"{path}.{index}"
        part = read_block(block, where)
        if isinstance(part, Sealed):
            seals.append(part)
        else:
            parts.append(part)
    for seal in seals:
        _sign_call(parts, seal)
    return parts


def read_block(block: object, path: str) -> Part | Sealed:
    """One block's part, or the seal of a tool call's signature. Raises `ProblemError`."""
    fields = obj(block, path)
    kind = need_str(fields, "type", path)
    reader = _READERS.get(kind)
    if reader is None:
        return opaque_part(kind, block)
    return reader(fields, path, block)


def opaque_part(kind: str, block: object, words: str = "") -> TextPart:
    """A block nothing in the house stands for, kept whole; `words` are what another dialect can say."""
    return TextPart(words, extra={kind: block})


def kept_block(part: Part) -> JsonObject | None:
    """The block kept whole in a part, or None when the part is what it says."""
    if not isinstance(part, TextPart) or part.extra is None or len(part.extra) != 1:
        return None
    ((kind, block),) = part.extra.items()
    return block if isinstance(block, dict) and block.get("type") == kind else None


def take_cache(fields: JsonObject, path: str) -> CacheTtl | None:
    """Take `cache_control`. What it says beyond a lifetime stays behind, for `extra`."""
    control = fields.get("cache_control")
    if control is None:
        fields.pop("cache_control", None)
        return None
    if not isinstance(control, dict):
        raise wrong(join(path, "cache_control"), control, "an object")
    ttl: CacheTtl = "1h" if control.get("ttl") == "1h" else "5m"
    if control.keys() <= {"type", "ttl"} and control.get("ttl") in (None, "5m", "1h"):
        fields.pop("cache_control")
    return ttl


def _sign_call(parts: list[Part], seal: Sealed) -> None:
    """Give a call the signature its provider wants back, which travelled in a block of its own.

    We put that block behind the call; Claude Code 2.1.197 returns it in front, where thinking belongs.
    """
    for index, part in enumerate(parts):
        if isinstance(part, ToolCallPart) and part.id == seal.call_id:
            parts[index] = msgspec.structs.replace(part, signature=seal.signature)


def _text(fields: JsonObject, path: str, _: object) -> TextPart:
    text = need_str(fields, "text", path)
    cache = take_cache(fields, path)
    cited = fields.pop("citations", None)
    citations: tuple[JsonObject, ...] = ()
    if cited:
        where = f"{path}.citations"
        citations = tuple([read_citation(obj(c, where)) for c in array(cited, where)])
    return TextPart(text, cache=cache, citations=citations, extra=fields or None)


def _image(fields: JsonObject, path: str, block: object) -> Part:
    source = obj(fields.pop("source", None), f"{path}.source")
    where = f"{path}.source"
    kind = need_str(source, "type", where)
    cache = take_cache(fields, path)
    if kind == "base64":
        media_type, data = need_str(source, "media_type", where), need_str(source, "data", where)
        return ImagePart(media_type=media_type, data=data, cache=cache, extra=_with_source(fields, source))
    if kind == "url":
        url = need_str(source, "url", where)
        return ImagePart(url=url, cache=cache, extra=_with_source(fields, source))
    if kind == "file":
        file_id = need_str(source, "file_id", where)
        return ImagePart(file_id=file_id, cache=cache, extra=_with_source(fields, source))
    return opaque_part("image", block)


def _with_source(fields: JsonObject, source: JsonObject) -> JsonObject | None:
    """What nobody took of a block, and of its source under that name."""
    return ({**fields, "source": source} if source else fields) or None


def _document(fields: JsonObject, path: str, block: object) -> Part:
    source = obj(fields.pop("source", None), f"{path}.source")
    kind = need_str(source, "type", f"{path}.source")
    cache = take_cache(fields, path)
    name = take_str(fields, "title", path)
    extra = fields or None
    where = f"{path}.source"
    if kind == "base64":
        return FilePart(
            media_type=need_str(source, "media_type", where),
            data=need_str(source, "data", where),
            name=name,
            cache=cache,
            extra=_with_source(fields, source),
        )
    if kind == "text":
        data = _base64(need_str(source, "data", where))
        media_type = take_str(source, "media_type", where) or "text/plain"
        return FilePart(
            media_type=media_type, data=data, name=name, cache=cache, extra=_with_source(fields, source)
        )
    if kind == "url":
        return FilePart(
            media_type="application/pdf",  # SDK 2.12 `URLPDFSourceParam`: PDFs only
            url=need_str(source, "url", where),
            name=name,
            cache=cache,
            extra=_with_source(fields, source),
        )
    if kind == "file":
        file_id = need_str(source, "file_id", where)
        return FilePart(file_id=file_id, name=name, cache=cache, extra=_with_source(fields, source))
    if kind == "content":
        inner = read_content(source.get("content"), f"{where}.content")
        data = _base64("\n".join(part.text for part in inner if isinstance(part, TextPart)))
        memo = {"source": {"type": kind, **source}}
        if not all(isinstance(part, TextPart) for part in inner):  # pictures have no place in `data`
            extra = {**fields, **memo}
        return FilePart(media_type="text/plain", data=data, name=name, cache=cache, extra=extra, memo=memo)
    return opaque_part("document", block)


def _thinking(fields: JsonObject, path: str, _: object) -> ReasoningPart:
    text = need_str(fields, "thinking", path)
    signature = take_str(fields, "signature", path)
    if not signature:  # made elsewhere, or stripped by the client: Anthropic takes it from nobody
        return ReasoningPart(text, extra=fields or None)
    return _unsealed(unseal(signature), text) or ReasoningPart(
        text, signature=signature, origin="anthropic", extra=fields or None
    )


def _redacted(fields: JsonObject, path: str, _: object) -> ReasoningPart | Sealed:
    data = need_str(fields, "data", path)
    seal = unseal(data)
    if seal is not None and seal.call_id is not None:
        return seal
    return _unsealed(seal, "") or ReasoningPart(encrypted=data, origin="anthropic", extra=fields or None)


def _unsealed(seal: Sealed | None, text: str) -> ReasoningPart | None:
    if seal is None:
        return None
    return ReasoningPart(
        text, signature=seal.signature, encrypted=seal.encrypted, id=seal.id, origin=seal.origin
    )


def _tool_use(fields: JsonObject, path: str, _: object) -> ToolCallPart:
    arguments = fields.pop("input", None)
    if arguments is not None and not isinstance(arguments, dict):
        raise wrong(f"{path}.input", arguments, "an object")
    return ToolCallPart(
        id=need_str(fields, "id", path),
        name=need_str(fields, "name", path),
        arguments=_encode(arguments or {}).decode(),
        cache=take_cache(fields, path),
        memo={"caller": fields.pop("caller")} if fields.get("caller") == _DIRECT else None,
        extra=fields or None,
    )


def _tool_result(fields: JsonObject, path: str, _: object) -> ToolResultPart:
    content = fields.pop("content", None)
    parts: list[TextPart | ImagePart | FilePart] = []
    if content is not None:
        for index, part in enumerate(read_content(content, f"{path}.content")):
            if not isinstance(part, (TextPart, ImagePart, FilePart)):
                raise wrong(f"{path}.content.{index}", part, "text, an image or a document")
            parts.append(part)
    return ToolResultPart(
        call_id=need_str(fields, "tool_use_id", path),
        content=tuple(parts),
        is_error=take_bool(fields, "is_error", path) or False,
        cache=take_cache(fields, path),
        extra=fields or None,
    )


def _search_result(fields: JsonObject, path: str, block: object) -> TextPart:
    title = need_str(fields, "title", path)
    source = need_str(fields, "source", path)
    words = _words(fields.get("content"), f"{path}.content")
    return opaque_part("search_result", block, f"{title} ({source})\n{words}")


_Reader = Callable[[JsonObject, str, object], Part | Sealed]
_READERS: dict[str, _Reader] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "search_result": _search_result,
}


def _words(content: object, path: str) -> str:
    """The words among blocks given as a string or a list."""
    parts = read_content(content, path)
    return "\n".join(part.text for part in parts if isinstance(part, TextPart) and part.text)


def _base64(text: str) -> str:
    return binascii.b2a_base64(text.encode("utf-8", "surrogatepass"), newline=False).decode("ascii")
