"""What the road must know of a chat request, by naming only those fields: microseconds, not milliseconds.

Messages stay raw unless something in them says that they hold media; only then are they looked into,
typed. `decode_request` checks the rest, and a provider what we do not read.
"""

from typing import Annotated, Any, Final

import msgspec

from passerelle.codecs.base import Envelope
from passerelle.codecs.media import estimate_text_bytes
from passerelle.codecs.openai_chat.reading import decode
from passerelle.codecs.sealed import MARK
from passerelle.core.errors import invalid

_AtLeastOne = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class _Tool(msgspec.Struct):
    type: str = "function"


class _Format(msgspec.Struct):
    type: str | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Typed(msgspec.Struct):
    type: str | None = None


class _Body(msgspec.Struct):
    model: str
    messages: list[msgspec.Raw]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _AtLeastOne | None = None
    max_completion_tokens: _AtLeastOne | None = None
    n: _AtLeastOne | None = None
    tools: list[_Tool] | None = None
    functions: list[msgspec.Raw] | None = None
    response_format: _Format | None = None
    reasoning_effort: str | None = None
    thinking: _Typed | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None
    web_search_options: Any = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
    store: bool | None = None


class _Message(msgspec.Struct):
    content: str | list[_Typed] | None = None


class _MediaBody(msgspec.Struct):
    messages: list[_Message]


_body_decoder = msgspec.json.Decoder(_Body)
_media_decoder = msgspec.json.Decoder(_MediaBody)

_MEDIA_WORDS: Final = (b"image_url", b"input_audio", b'"file"', b"document_url", b"video_url", b"\\u00")
"""A message with media says one of these; an escape may hide any of them, so it counts as a sign too."""


def read_envelope(body: bytes) -> Envelope:
    """Raises `ProblemError` naming the field."""
    fields = decode(_body_decoder, body)
    if not fields.messages:
        raise invalid("`messages` is empty; add at least one message.", "messages", code="empty_array")
    if not fields.model:
        raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
    features: set[str] = set()
    images = 0
    text_bytes = len(body)
    if _may_hold_media(body):
        images, kinds = _media(body)
        if kinds:
            features |= kinds
            text_bytes = estimate_text_bytes(body)
    if fields.tools or fields.functions:
        _tool_features(fields, features)
    if fields.response_format is not None:
        _format_features(fields.response_format, features)
    if fields.reasoning_effort not in (None, "none") or (
        fields.thinking is not None and fields.thinking.type != "disabled"
    ):
        features.add("reasoning")
    if fields.n is not None and fields.n > 1:
        features.add("n")
    if fields.logprobs:
        features.add("logprobs")
    if fields.modalities is not None and "audio" in fields.modalities:
        features.add("audio")
    if fields.web_search_options is not None:
        features.add("builtin_tools")
    stream = bool(fields.stream)
    return Envelope(
        operation="chat",
        model=fields.model,
        stream=stream,
        include_usage=not stream
        or (fields.stream_options is not None and bool(fields.stream_options.include_usage)),
        max_output_tokens=fields.max_completion_tokens or fields.max_tokens,
        features=frozenset(features),
        session=fields.prompt_cache_key or fields.safety_identifier or fields.user,
        text_bytes=text_bytes,
        images=images,
        stored=bool(fields.store),
        relayable=MARK not in body,
    )


def _may_hold_media(body: bytes) -> bool:
    return any(word in body for word in _MEDIA_WORDS)


def _media(body: bytes) -> tuple[int, set[str]]:
    """How many images, and which kinds of media."""
    images = 0
    kinds: set[str] = set()
    for message in decode(_media_decoder, body).messages:
        if not isinstance(message.content, list):
            continue
        for part in message.content:
            if part.type == "image_url":
                images += 1
                kinds.add("images")
            elif part.type == "input_audio":
                kinds.add("audio")
            elif part.type in ("file", "document_url", "video_url"):
                kinds.add("files")
    return images, kinds


def _tool_features(fields: _Body, features: set[str]) -> None:
    features.add("tools")
    for tool in fields.tools or ():
        if tool.type == "custom":
            features.add("custom_tools")
        elif tool.type != "function":
            features.add("builtin_tools")


def _format_features(wanted: _Format, features: set[str]) -> None:
    if wanted.type == "json_schema":
        features.add("json_schema")
    elif wanted.type == "json_object":
        features.add("json")
