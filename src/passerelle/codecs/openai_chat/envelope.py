"""What the road must know of a chat request, by naming only those fields: microseconds, not milliseconds.

Words are skipped, not read; a list of parts is looked into, typed, for the media in it. `decode_request`
checks the rest, and a provider what we do not read.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec

from passerelle.codecs.base import NOTHING_SET, Envelope
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.media import is_reference
from passerelle.codecs.openai_reading import decode, explained
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


_ABSENT: Final = msgspec.Raw()


class _Message(msgspec.Struct):
    role: str
    content: msgspec.Raw = _ABSENT
    reasoning_details: msgspec.Raw = _ABSENT
    audio: msgspec.Raw = _ABSENT


class _Part(msgspec.Struct):
    type: str | None = None
    image_url: msgspec.Raw = _ABSENT
    input_audio: msgspec.Raw = _ABSENT
    file: msgspec.Raw = _ABSENT


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message]
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
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    seed: Any = None
    stop: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    top_logprobs: Any = None
    logit_bias: Any = None
    parallel_tool_calls: Any = None
    tool_choice: Any = None
    verbosity: Any = None
    service_tier: Any = None


_SETTINGS: Final = (
    "temperature", "top_p", "top_k", "seed", "stop", "presence_penalty", "frequency_penalty", "logprobs",
    "top_logprobs", "logit_bias", "n", "parallel_tool_calls", "tool_choice", "verbosity", "service_tier",
)  # fmt: skip
_settings_of = attrgetter(*_SETTINGS)
_UNSET: Final = (None,) * len(_SETTINGS)


_body_decoder = msgspec.json.Decoder(_Body)
_parts_decoder = msgspec.json.Decoder(list[_Part | str])
_QUOTE: Final = ord('"')
_LIST: Final = ord("[")
_NULL: Final = ord("n")
_WORDS: Final = frozenset({"text", "refusal", "thinking", "reasoning"})
"""Parts whose bytes bound their tokens."""


def read_envelope(body: bytes) -> Envelope:
    """Raises `ProblemError` naming the field."""
    fields = decode(_body_decoder, body)
    if not fields.messages:
        raise invalid("`messages` is empty; add at least one message.", "messages", code="empty_array")
    if not fields.model:
        raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
    features: set[str] = set()
    images = media_bytes = 0
    relayable = True
    unmeasured = False
    for at, message in enumerate(fields.messages):
        content = message.content
        if content is not _ABSENT:
            first = memoryview(content)[0]
            if first == _LIST:
                seen, inline, unbound = _look(content, f"messages[{at}].content", features)
                images += seen
                media_bytes += inline
                unmeasured = unmeasured or unbound
            elif first != _QUOTE and first != _NULL:
                path = f"messages[{at}].content"
                raise invalid(
                    f"`{path}` must be a string or an array of parts; correct it and send it again.", path
                )
        if message.reasoning_details is not _ABSENT and MARK in bytes(message.reasoning_details):
            relayable = False  # sealed by us for another dialect: only we can unseal it
        if message.audio is not _ABSENT:
            unmeasured = True  # an earlier spoken answer, by its id
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
        # Both go to the provider as they are, and nobody can tell which one it will obey.
        max_output_tokens=max(fields.max_completion_tokens or 0, fields.max_tokens or 0) or None,
        features=frozenset(features),
        session=fields.prompt_cache_key or fields.safety_identifier or fields.user,
        text_bytes=len(body) - media_bytes,
        images=images,
        answers=fields.n or 1,
        unmeasured=unmeasured,
        stored=bool(fields.store),
        relayable=relayable,
        settings=_settings(fields),
    )


def _settings(fields: _Body) -> Mapping[str, Any]:
    """What the body says of how to answer. Half a microsecond, most of it when it says something."""
    values = _settings_of(fields)
    said: dict[str, Any] = {}
    if values != _UNSET:
        said = {name: value for name, value in zip(_SETTINGS, values, strict=True) if value is not None}
    if fields.reasoning_effort is not None:
        said["effort"] = fields.reasoning_effort
    if fields.tools:
        said["tools"] = True
    if fields.messages[-1].role == "assistant":
        said["prefill"] = True
    return said or NOTHING_SET


def _look(content: msgspec.Raw, path: str, features: set[str]) -> tuple[int, int, bool]:
    """How many pictures a list of parts holds, how many bytes of it are media rather than words, and
    whether it holds what bytes do not bound.
    """
    images = size = 0
    unmeasured = False
    try:
        parts = _parts_decoder.decode(content)
    except BAD_JSON as error:
        raise explained(str(error), path) from None
    for part in parts:
        if isinstance(part, str) or part.type in _WORDS:
            continue
        if part.type == "image_url":
            images += 1
            features.add("images")
            size += _size(part.image_url)
            if is_reference(part.image_url):
                features.add("image_urls")
            continue
        unmeasured = True
        if part.type == "input_audio":
            features.add("audio")
            size += _size(part.input_audio)
        elif part.type == "file":
            features.add("files")
            size += _size(part.file)
        elif part.type in ("document_url", "video_url"):
            features.add("files")
    return images, size, unmeasured


def _size(media: msgspec.Raw) -> int:
    return memoryview(media).nbytes


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
