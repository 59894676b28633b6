"""Converse's content blocks into parts.

A block is an object with one field, its kind. One of a kind the house has no part for (guarded content,
search results, tools that run at Amazon, and next month's) becomes a `TextPart` with the block whole in
`extra` and marked so in `memo`: it goes back unchanged to this dialect, and every other codec reports that
one name. A `cachePoint` marks the part before it.
"""

import binascii
from typing import Any, Final

import msgspec

from passerelle.codecs.bedrock.formats import document_type, sound_type, video_type
from passerelle.codecs.fields import JsonObject, array, need_str, obj, take_str, wrong
from passerelle.codecs.sealed import MARK, Sealed, unseal
from passerelle.core.message import (
    AudioPart,
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
_WHOLE: Final = {"whole": True}
SEALED: Final = binascii.b2a_base64(MARK, newline=False).decode()[:6]
"""How base64 of a seal of ours begins."""


def read_content(content: object, path: str, *, answer: bool = False) -> list[Part]:
    """The parts of a message's `content`. Raises `ProblemError`. `answer`: a provider gave it."""
    parts: list[Part] = []
    for index, block in enumerate(array(content, path)):
        where = f"{path}.{index}"
        fields = obj(block, where)
        if "cachePoint" in fields:
            mark_cached(parts, obj(fields["cachePoint"], f"{where}.cachePoint"))
            continue
        part = _block(fields, where, answer=answer)
        if isinstance(part, Sealed):
            _sign_call(parts, part)
        else:
            parts.append(part)
    return parts


def whole_block(part: Part) -> JsonObject | None:
    """The block kept whole in a part, or None when the part is what it says."""
    if isinstance(part, TextPart) and part.memo == _WHOLE and part.extra is not None:
        return part.extra
    return None


def opaque_part(block: JsonObject, words: str = "") -> TextPart:
    """A block nothing in the house stands for; `words` are what another dialect can say of it."""
    return TextPart(words, extra=block, memo=_WHOLE)


def mark_cached(parts: list[Part], point: JsonObject) -> None:
    """Cache the prompt up to the last of `parts`."""
    ttl: CacheTtl = "1h" if point.get("ttl") == "1h" else "5m"
    last = parts[-1] if parts else None
    marked = isinstance(last, TextPart | ImagePart | FilePart | ToolCallPart | ToolResultPart)
    if last is None or not marked or getattr(last, "cache", None) is not None or whole_block(last):
        parts.append(opaque_part({"cachePoint": point}))
    else:
        parts[-1] = msgspec.structs.replace(last, cache=ttl)


def _sign_call(parts: list[Part], seal: Sealed) -> None:
    """Give a call the signature its provider wants back, which travelled in a block behind it."""
    for index, part in enumerate(parts):
        if isinstance(part, ToolCallPart) and part.id == seal.call_id:
            parts[index] = msgspec.structs.replace(part, signature=seal.signature)


def _block(block: JsonObject, path: str, *, answer: bool) -> Part | Sealed:
    kind = next(iter(block), "")
    if len(block) != 1:
        return opaque_part(block)
    value: Any = block[kind]
    where = f"{path}.{kind}"
    source = value.get("source") if isinstance(value, dict) else None
    if isinstance(source, dict) and "s3Location" in source:
        return opaque_part(block)  # nobody but Amazon reads from there
    match kind:
        case "text":
            if not isinstance(value, str):
                raise wrong(where, value, "a string")
            return TextPart(value)
        case "image":
            return _image(obj(value, where), where)
        case "document":
            return _document(obj(value, where), where)
        case "video":
            return _video(obj(value, where), where)
        case "audio":
            return _audio(obj(value, where), where)
        case "toolUse":
            return _tool_use(obj(value, where), where, block)
        case "toolResult":
            return opaque_part(block) if answer else _tool_result(obj(value, where), where, block)
        case "reasoningContent":
            return _reasoning(obj(value, where), where, block, answer=answer)
        case "citationsContent":
            return _cited(obj(value, where), where)
        case "searchResult":
            return opaque_part(block, _searched(obj(value, where), where))
        case _:
            return opaque_part(block)


def _source(fields: JsonObject, path: str) -> tuple[JsonObject, str | None]:
    """What is left of `source`, and its base64 bytes."""
    source = obj(fields.pop("source", None), f"{path}.source")
    return source, take_str(source, "bytes", f"{path}.source")


def _image(fields: JsonObject, path: str) -> ImagePart:
    left, data = _source(fields, path)
    media_type = f"image/{need_str(fields, 'format', path)}"
    return ImagePart(media_type=media_type, data=data, extra=_rest(fields, left))


def _document(fields: JsonObject, path: str) -> FilePart:
    left, data = _source(fields, path)
    format = take_str(fields, "format", path) or "txt"
    memo = None
    if "text" in left:
        memo = {"source": {"text": left["text"]}}
        data = _base64(need_str(left, "text", f"{path}.source"))
    elif "content" in left:
        memo = {"source": {"content": left["content"]}}
        chunks = array(left.pop("content"), f"{path}.source.content")
        words = [str(chunk.get("text", "")) for chunk in chunks if isinstance(chunk, dict)]
        data = _base64("\n".join(words))
    return FilePart(
        media_type=document_type(format),
        data=data,
        name=take_str(fields, "name", path),
        extra=_rest(fields, left),
        memo=memo,
    )


def _video(fields: JsonObject, path: str) -> FilePart:
    left, data = _source(fields, path)
    media_type = video_type(need_str(fields, "format", path))
    return FilePart(media_type=media_type, data=data, extra=_rest(fields, left))


def _audio(fields: JsonObject, path: str) -> AudioPart:
    left, data = _source(fields, path)
    media_type = sound_type(need_str(fields, "format", path))
    return AudioPart(media_type, data=data, extra=_rest(fields, left))


def _rest(fields: JsonObject, source: JsonObject) -> JsonObject | None:
    """What nobody took of a block, and of its source under that name."""
    return ({**fields, "source": source} if source else fields) or None


def _tool_use(fields: JsonObject, path: str, block: JsonObject) -> Part:
    if fields.get("type") is not None:  # run by Amazon: not a call of the caller's tools
        return opaque_part(block)
    given = fields.pop("input", None)
    arguments = _encode(given if given is not None else {}).decode()
    if given is not None and not isinstance(given, dict):
        raise wrong(f"{path}.input", given, "an object")
    return ToolCallPart(
        id=need_str(fields, "toolUseId", path),
        name=need_str(fields, "name", path),
        arguments=arguments,
        extra=fields or None,
    )


def _tool_result(fields: JsonObject, path: str, block: JsonObject) -> Part:
    if fields.get("type") is not None:
        return opaque_part(block)
    status = take_str(fields, "status", path)
    content: list[TextPart | ImagePart | FilePart] = []
    for index, item in enumerate(array(fields.pop("content", None) or [], f"{path}.content")):
        where = f"{path}.content.{index}"
        inner = obj(item, where)
        if inner.keys() == {"json"}:
            content.append(TextPart(_encode(inner["json"]).decode(), memo={"json": True}))
            continue
        part = _block(inner, where, answer=False)
        content.append(part if isinstance(part, TextPart | ImagePart | FilePart) else opaque_part(inner))
    return ToolResultPart(
        call_id=need_str(fields, "toolUseId", path),
        content=tuple(content),
        is_error=status == "error",
        extra=fields or None,
        memo={"status": status} if status == "success" else None,
    )


def _reasoning(fields: JsonObject, path: str, block: JsonObject, *, answer: bool) -> Part | Sealed:
    redacted = take_str(fields, "redactedContent", path)
    if redacted is not None:
        seal = _unsealed(redacted)
        if seal is not None and seal.call_id is not None:
            return seal
        if seal is not None:
            return _thought(seal, "")
        return ReasoningPart(encrypted=redacted, origin="bedrock")
    said = fields.pop("reasoningText", None)
    if said is None:
        return opaque_part(block)
    thought = obj(said, f"{path}.reasoningText")
    text = need_str(thought, "text", f"{path}.reasoningText")
    signature = take_str(thought, "signature", f"{path}.reasoningText")
    if not signature:
        return ReasoningPart(text, origin="bedrock" if answer else None)
    seal = unseal(signature)
    return _thought(seal, text) if seal else ReasoningPart(text, signature=signature, origin="bedrock")


def _unsealed(redacted: str) -> Sealed | None:
    if not redacted.startswith(SEALED):
        return None
    try:
        return unseal(binascii.a2b_base64(redacted.encode()).decode())
    except (binascii.Error, UnicodeError):
        return None


def _thought(seal: Sealed, text: str) -> ReasoningPart:
    return ReasoningPart(
        text, signature=seal.signature, encrypted=seal.encrypted, id=seal.id, origin=seal.origin
    )


def _cited(fields: JsonObject, path: str) -> TextPart:
    said = array(fields.pop("content", None) or [], f"{path}.content")
    text = "".join(str(item.get("text", "")) for item in said if isinstance(item, dict))
    cited = array(fields.pop("citations", None) or [], f"{path}.citations")
    citations = tuple(obj(one, f"{path}.citations.{at}") for at, one in enumerate(cited))
    return TextPart(text, citations=citations, extra=fields or None, memo={"cited": True})


def _searched(fields: JsonObject, path: str) -> str:
    """The words of a search result."""
    content = array(fields.get("content") or [], f"{path}.content")
    words = "\n".join(str(item.get("text", "")) for item in content if isinstance(item, dict))
    return f"{fields.get('title', '')} ({fields.get('source', '')})\n{words}"


def _base64(text: str) -> str:
    return binascii.b2a_base64(text.encode("utf-8", "surrogatepass"), newline=False).decode("ascii")
