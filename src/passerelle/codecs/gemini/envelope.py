"""What the road must know of a Gemini request, read without decoding all of it.

The structs name only what is needed, in both spellings Google takes. Whatever they cannot read goes once
through the full and forgiving parser, which either names the mistake or gives the same request in Google's
canonical form, read again here.
"""

from types import MappingProxyType
from typing import Final

import msgspec

from passerelle.codecs.base import NOTHING_SET, Envelope, PathTarget
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.gemini.request import model_name, problem, read_body
from passerelle.codecs.gemini.signatures import is_foreign
from passerelle.codecs.gemini.wire import WireError, canonical, check_utf8, malformed
from passerelle.codecs.media import media_kind
from passerelle.core.errors import invalid

NAMED: Final = "model"
"""A hint: the body repeats the model of the path."""

UNSIGNED: Final = "unsigned"
"""A hint: some step's first function call has no thought signature."""


class _Object(msgspec.Struct, frozen=True):
    """Any object: that it is there is all that matters."""


class _Typed(msgspec.Struct, frozen=True, rename="camel"):
    """Something with a media type, inline or by URI."""

    mime_type: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    snake: str | None = msgspec.field(default=None, name="mime_type")


class _Media(msgspec.Struct, frozen=True, rename="camel"):
    inline_data: _Typed | None = None
    file_data: _Typed | None = None
    inline_snake: _Typed | None = msgspec.field(default=None, name="inline_data")
    file_snake: _Typed | None = msgspec.field(default=None, name="file_data")


class _Answered(msgspec.Struct, frozen=True):
    """A function's response, which may hold media."""

    parts: list[_Media] | _Media | None = None


class _Part(_Media, frozen=True, rename="camel"):
    function_call: _Object | None = None
    function_response: _Answered | None = None
    thought_signature: str | None = None
    call_snake: _Object | None = msgspec.field(default=None, name="function_call")
    response_snake: _Answered | None = msgspec.field(default=None, name="function_response")
    signature_snake: str | None = msgspec.field(default=None, name="thought_signature")


class _Content(msgspec.Struct, frozen=True):
    role: str | None = None
    parts: list[_Part] | _Part | None = None


class _Thinking(msgspec.Struct, frozen=True, rename="camel"):
    thinking_budget: int | None = None
    budget_snake: int | None = msgspec.field(default=None, name="thinking_budget")


class _Config(msgspec.Struct, frozen=True, rename="camel"):
    max_output_tokens: int | None = None
    candidate_count: int | None = None
    response_logprobs: bool | None = None
    response_mime_type: str | None = None
    response_schema: _Object | None = None
    response_json_schema: _Object | None = None
    thinking_config: _Thinking | None = None
    limit_snake: int | None = msgspec.field(default=None, name="max_output_tokens")
    count_snake: int | None = msgspec.field(default=None, name="candidate_count")
    logprobs_snake: bool | None = msgspec.field(default=None, name="response_logprobs")
    type_snake: str | None = msgspec.field(default=None, name="response_mime_type")
    schema_snake: _Object | None = msgspec.field(default=None, name="response_schema")
    json_schema_snake: _Object | None = msgspec.field(default=None, name="response_json_schema")
    thinking_snake: _Thinking | None = msgspec.field(default=None, name="thinking_config")


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    model: str | None = None
    contents: list[_Content] | _Content | None = None
    tools: list[dict[str, msgspec.Raw]] | dict[str, msgspec.Raw] | None = None
    generation_config: _Config | None = None
    config_snake: _Config | None = msgspec.field(default=None, name="generation_config")
    cached_content: str | None = None
    cached_snake: str | None = msgspec.field(default=None, name="cached_content")
    store: bool | None = None


class _Counted(_Body, frozen=True, rename="camel"):
    generate_content_request: _Body | None = None
    request_snake: _Body | None = msgspec.field(default=None, name="generate_content_request")


_body: Final = msgspec.json.Decoder(_Body)
_counted: Final = msgspec.json.Decoder(_Counted)
_SEARCHES: Final = frozenset(
    {"googleSearch", "google_search", "googleSearchRetrieval", "google_search_retrieval"}
)
_FUNCTIONS: Final = frozenset({"functionDeclarations", "function_declarations"})


_ANY_SETTING: Final = MappingProxyType({"*": True})


def envelope(body: bytes, target: PathTarget) -> Envelope:
    """Raises `ProblemError` naming the field for anything it reads that is wrong."""
    try:
        check_utf8(body)
        return _envelope(body, _glance(body, target), target)
    except WireError as error:
        raise problem(error) from None


def _glance(body: bytes, target: PathTarget) -> _Body:
    try:
        if target.operation != "count_tokens":
            return _body.decode(body)
        counted = _counted.decode(body)
        return counted.generate_content_request or counted.request_snake or counted
    except msgspec.ValidationError:
        plain = canonical(read_body(body, target))
    except BAD_JSON as error:
        raise malformed(error) from None
    try:
        return _body.decode(plain)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`")
        raise WireError(f"`{name}` is wrong ({said}): correct it and send again", name) from None


def _envelope(body: bytes, seen: _Body, target: PathTarget) -> Envelope:
    contents = seen.contents
    if not contents:
        raise WireError("`contents` is missing or empty: send at least one content", "contents")
    features: set[str] = set()
    pictures = _Pictures(features)
    hints: set[str] = set()
    foreign = False
    for content in contents if isinstance(contents, list) else (contents,):
        parts = content.parts
        if parts is None:
            continue
        called = False
        for part in parts if isinstance(parts, list) else (parts,):
            pictures.see(part)
            signature = part.thought_signature or part.signature_snake
            if signature is not None:
                foreign = foreign or is_foreign(signature)
            if not called and (part.function_call is not None or part.call_snake is not None):
                called = True  # the first of a step is the one that must be signed
                if signature is None:
                    hints.add(UNSIGNED)
            answered = part.function_response or part.response_snake
            if answered is not None and answered.parts is not None:
                inner = answered.parts
                for media in inner if isinstance(inner, list) else (inner,):
                    pictures.see(media)
    if seen.model is not None:
        hints.add(NAMED)
    if seen.tools:
        for tool in seen.tools if isinstance(seen.tools, list) else (seen.tools,):
            for name in tool:
                features.add("tools" if name in _FUNCTIONS else "builtin_tools")
                if name in _SEARCHES:
                    features.add("web_search")
    config = seen.generation_config or seen.config_snake
    limit, answers = _settings(config, features) if config is not None else (None, 1)
    cached = seen.cached_content or seen.cached_snake
    return Envelope(
        operation=target.operation,
        model=model_name(target.model, seen.model),
        stream=bool(target.stream),
        max_output_tokens=limit,
        features=frozenset(features),
        session=cached,
        text_bytes=max(len(body) - pictures.media_bytes, 0),
        images=pictures.count,
        answers=answers,
        unmeasured=pictures.unmeasured or cached is not None,
        stored=bool(seen.store),
        relayable=not target.json_array and not foreign,
        settings=_ANY_SETTING if config is not None or _ends_with_answer(seen) else NOTHING_SET,
        hints=frozenset(hints),
    )


def _ends_with_answer(seen: _Body) -> bool:
    contents = seen.contents
    return isinstance(contents, list) and bool(contents) and contents[-1].role == "model"


class _Pictures:
    """What media a request holds."""

    __slots__ = ("_features", "count", "media_bytes", "unmeasured")

    def __init__(self, features: set[str]) -> None:
        self._features = features
        self.count = 0
        self.media_bytes = 0
        self.unmeasured = False

    def see(self, part: _Media) -> None:
        """Takes note of `part`'s media, if it is any."""
        for held in (part.inline_data, part.inline_snake, part.file_data, part.file_snake):
            if held is None:
                continue
            kind = media_kind(held.mime_type or held.snake)
            if kind == "image":
                self.count += 1
                self._features.add("images")
            else:
                self._features.add("audio" if kind == "audio" else "files")
                if kind == "text" and _size(held.data):
                    continue  # words, no more of them than its bytes
                self.unmeasured = True
            self.media_bytes += _size(held.data)


def _size(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes


def _settings(config: _Config, features: set[str]) -> tuple[int | None, int]:
    """Adds what the settings ask for to `features`; gives the output limit and how many answers."""
    limit = config.max_output_tokens if config.max_output_tokens is not None else config.limit_snake
    answers = config.candidate_count if config.candidate_count is not None else config.count_snake
    for name, value in (("maxOutputTokens", limit), ("candidateCount", answers)):
        if value is not None and value < 1:
            path = f"generationConfig.{name}"
            raise invalid(f"`{path}` is {value}: send a positive integer or leave it out", path)
    schemas = (
        config.response_schema,
        config.response_json_schema,
        config.schema_snake,
        config.json_schema_snake,
    )
    if any(schema is not None for schema in schemas):
        features.add("json_schema")
    elif (config.response_mime_type or config.type_snake) == "application/json":
        features.add("json")
    if answers is not None and answers > 1:
        features.add("n")
    if config.response_logprobs or config.logprobs_snake:
        features.add("logprobs")
    thinking = config.thinking_config or config.thinking_snake
    if thinking is not None and 0 not in (thinking.thinking_budget, thinking.budget_snake):
        features.add("reasoning")
    return limit, answers or 1
