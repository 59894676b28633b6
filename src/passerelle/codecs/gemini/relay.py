"""A Gemini caller's own bytes on their way to Google.

The model stands in the path, so most bodies go as they came. Two things change one:
countTokens repeats the model inside; and Gemini 3 refuses a step whose first function call has no thought
signature, which happens when a conversation begun on another model moves there. Vertex AI wants a little
more (`vertex`).
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.base import Envelope, Target
from passerelle.codecs.gemini import vertex
from passerelle.codecs.gemini.envelope import NAMED, UNSIGNED
from passerelle.codecs.gemini.signatures import STAND_IN
from passerelle.codecs.gemini.thinking import is_gemini_3
from passerelle.codecs.splice import quoted, splice


class _Object(msgspec.Struct, frozen=True):
    """Any object: that it is there is all that matters."""


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    function_call: _Object | None = None
    call_snake: _Object | None = msgspec.field(default=None, name="function_call")
    thought_signature: str | None = None
    signature_snake: str | None = msgspec.field(default=None, name="thought_signature")


class _Content(msgspec.Struct, frozen=True):
    parts: list[_Part] = []


class _Contents(msgspec.Struct, frozen=True):
    contents: list[_Content] = []


_contents: Final = msgspec.json.Decoder(_Contents)
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_raw_contents: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_raw_parts: Final = msgspec.json.Decoder(list[msgspec.Raw])


def relay_request(body: bytes, target: Target, envelope: Envelope) -> bytes:
    """`body` for `target`, unchanged but for what is said above."""
    cloud = vertex.QUIRK in target.quirks
    if envelope.operation == "count_tokens":
        return vertex.relay_count(body) if cloud else _count_tokens(body, target)
    if UNSIGNED in envelope.hints and is_gemini_3(target.model):
        body = _signed(body)
    if cloud:
        return vertex.relay_chat(body)
    if NAMED in envelope.hints:  # some SDKs repeat the model; it must not contradict the path
        body = splice(body, {"model": quoted("models/" + target.model.removeprefix("models/"))})
    return body


def _count_tokens(body: bytes, target: Target) -> bytes:
    fields = _fields.decode(body)
    model = quoted("models/" + target.model.removeprefix("models/"))
    if "model" in fields:
        body = splice(body, {"model": model})
    for name in ("generateContentRequest", "generate_content_request"):
        if name in fields:
            body = splice(body, {name: splice(bytes(fields[name]), {"model": model})})
    return body


def _signed(body: bytes) -> bytes:
    """`body` with the documented stand-in on steps that have no signature; itself when all have one."""
    try:
        contents = _contents.decode(body).contents
    except msgspec.ValidationError:  # a form only the lenient parser reads: Google judges it
        return body
    unsigned = [
        (at, index) for at, content in enumerate(contents) if (index := _unsigned(content)) is not None
    ]
    if not unsigned:
        return body
    raw: list[dict[str, Any]] = list(_raw_contents.decode(_fields.decode(body)["contents"]))
    for at, index in unsigned:
        parts = _raw_parts.decode(raw[at]["parts"])
        parts[index] = msgspec.Raw(splice(bytes(parts[index]), {"thoughtSignature": quoted(STAND_IN)}))
        raw[at]["parts"] = parts
    return splice(body, {"contents": msgspec.json.encode(raw)})


def _unsigned(content: _Content) -> int | None:
    """Where the first function call of a content is, if it has no signature."""
    for index, part in enumerate(content.parts):
        if part.function_call is not None or part.call_snake is not None:
            return None if part.thought_signature or part.signature_snake else index
    return None
