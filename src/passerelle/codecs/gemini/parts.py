"""One part of Google's content as one part of ours: requests and answers alike.

What a part carries that we do not name goes to `extra` under Google's names, nested names dotted
(`functionResponse.scheduling`), and comes back through `nest`.
"""

from typing import Any, Final

from msgspec.structs import replace

from passerelle.codecs.gemini import types as wire
from passerelle.codecs.gemini.results import read_response
from passerelle.codecs.gemini.signatures import STAND_IN, standard, take_out
from passerelle.codecs.gemini.wire import WireError
from passerelle.codecs.media import media_kind
from passerelle.codecs.names import digest
from passerelle.core.message import (
    AudioPart,
    Extra,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

MINTED: Final = "gcall_"
"""Begins the ids we give to calls that came without one. They never go back to Google, which pairs calls
and responses by name and order then."""


def mint(*what: object) -> str:
    """The id of a call that has none: the same for the same place and name, on every worker."""
    return MINTED + digest("\x1f".join([str(one) for one in what]), 24)


def read_part(part: wire.Part, call_id: str) -> Part:
    """`part` in our terms. `call_id` is what a function call or response without an id gets.

    Raises `WireError` (path within the part) when it lacks what its kind needs.
    """
    extra = wire.opaque(part)
    if part.function_call is not None:
        return _call(part, part.function_call, extra, call_id)
    if part.function_response is not None:
        return _result(part.function_response, extra, call_id)
    if part.thought:
        return _thought(part, extra)
    memo = None
    if part.thought_signature is not None:
        memo = {"thoughtSignature": part.thought_signature}
    if part.inline_data is not None:
        return replace(_inline(part.inline_data, extra, "inlineData"), memo=memo)
    if part.file_data is not None:
        return replace(_by_uri(part.file_data, extra, "fileData"), memo=memo)
    return TextPart(part.text or "", extra=extra or None, memo=memo)


def _call(part: wire.Part, call: wire.FunctionCall, extra: dict[str, Any], call_id: str) -> ToolCallPart:
    if not call.name:
        raise WireError("`functionCall.name` is missing: name the function", "functionCall.name")
    _spill(extra, "functionCall", call.extra)
    arguments = bytes(call.args).decode()
    if arguments in ("", "null"):
        arguments = "{}"
    elif arguments[0] != "{":
        raise WireError(
            "`functionCall.args` must be an object: send the arguments by name", "functionCall.args"
        )
    signature = part.thought_signature
    return ToolCallPart(
        id=call.id or call_id,
        name=call.name,
        arguments=arguments,
        signature=None if signature == STAND_IN else signature,
        extra=extra or None,
    )


def _result(said: wire.FunctionResponse, extra: dict[str, Any], call_id: str) -> ToolResultPart:
    if not said.name:
        raise WireError("`functionResponse.name` is missing: name the function", "functionResponse.name")
    _spill(extra, "functionResponse", said.extra)
    text, is_error = read_response(said.response)
    content: list[TextPart | ImagePart | FilePart] = [TextPart(text)] if text else []
    for at, media in enumerate(said.parts or ()):
        inner: dict[str, Any] = dict(media.extra or ())
        try:
            if media.inline_data is not None:
                read = _inline(media.inline_data, inner, "inlineData")
            elif media.file_data is not None:
                read = _by_uri(media.file_data, inner, "fileData")
            else:
                continue
        except WireError as error:
            where = f"functionResponse.parts[{at}]"
            raise WireError(f"`{where}`: {error.message}", where) from None
        if isinstance(read, AudioPart):
            read = FilePart(read.media_type, data=read.data, url=read.url, extra=read.extra)
        content.append(read)
    return ToolResultPart(
        call_id=said.id or call_id,
        content=tuple(content),
        is_error=is_error,
        name=said.name,
        extra=extra or None,
    )


def _thought(part: wire.Part, extra: dict[str, Any]) -> ReasoningPart:
    sealed = take_out(part.thought_signature)
    if sealed is not None:
        return ReasoningPart(
            text=part.text or "",
            signature=sealed.signature,
            encrypted=sealed.encrypted,
            id=sealed.id,
            origin=sealed.origin,
        )
    if part.inline_data is not None:  # a picture the model drew while thinking
        extra["inlineData"] = {"mimeType": part.inline_data.mime_type, "data": part.inline_data.data}
    return ReasoningPart(
        text=part.text or "", signature=part.thought_signature, origin="gemini", extra=extra or None
    )


def _inline(blob: wire.Blob, extra: dict[str, Any], name: str) -> ImagePart | AudioPart | FilePart:
    if not blob.mime_type:
        raise WireError(f"`{name}.mimeType` is missing: say what the data is", f"{name}.mimeType")
    if blob.data is None:
        raise WireError(f"`{name}.data` is missing: send it in base64", f"{name}.data")
    _spill(extra, name, blob.extra)
    data = standard(blob.data)
    kind = media_kind(blob.mime_type)
    if kind not in ("image", "audio"):
        return FilePart(blob.mime_type, data=data, name=blob.display_name, extra=extra or None)
    if blob.display_name is not None:
        extra[f"{name}.displayName"] = blob.display_name
    if kind == "image":
        return ImagePart(blob.mime_type, data=data, extra=extra or None)
    return AudioPart(blob.mime_type, data=data, extra=extra or None)


def _by_uri(file: wire.FileData, extra: dict[str, Any], name: str) -> ImagePart | AudioPart | FilePart:
    if not file.file_uri:
        raise WireError(f"`{name}.fileUri` is missing: say where the file is", f"{name}.fileUri")
    _spill(extra, name, file.extra)
    url, file_id = (file.file_uri, None) if is_public(file.file_uri) else (None, file.file_uri)
    kind = media_kind(file.mime_type)
    if kind == "audio":
        if file.display_name is not None:
            extra[f"{name}.displayName"] = file.display_name
        return AudioPart(file.mime_type or "", url=file.file_uri, extra=extra or None)
    if kind == "image":
        if file.display_name is not None:
            extra[f"{name}.displayName"] = file.display_name
        return ImagePart(file.mime_type, url=url, file_id=file_id, extra=extra or None)
    return FilePart(file.mime_type, url=url, file_id=file_id, name=file.display_name, extra=extra or None)


def is_public(uri: str) -> bool:
    """Anyone may fetch `uri`: it is on the web, and not a file kept at Google."""
    return uri.startswith(("http://", "https://")) and "generativelanguage.googleapis.com/" not in uri


def _spill(extra: dict[str, Any], prefix: str, unknown: Extra) -> None:
    for key, value in (unknown or {}).items():
        extra[f"{prefix}.{key}"] = value


def nest(into: dict[str, Any], extra: Extra) -> dict[str, Any]:
    """`into` with `extra` in it, dotted names back in their places. Named fields are not overwritten."""
    for key, value in (extra or {}).items():
        place = into
        *outer, last = key.split(".")
        for step in outer:
            inner = place.get(step)
            if not isinstance(inner, dict):
                inner = place[step] = {}
            place = inner
        place.setdefault(last, value)
    return into
