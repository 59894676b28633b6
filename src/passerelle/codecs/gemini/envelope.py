"""What the road must know of a Gemini request, read without decoding all of it.

The structs name only what is needed, in both spellings Google takes. Whatever they cannot read goes once
through the full and forgiving parser, which either names the mistake or gives the same request in Google's
canonical form, read again here.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.base import Envelope, PathTarget
from passerelle.codecs.gemini.request import model_name, problem, read_body
from passerelle.codecs.gemini.signatures import FOREIGN
from passerelle.codecs.gemini.wire import WireError, canonical, check_utf8, malformed
from passerelle.codecs.media import estimate_text_bytes, media_kind
from passerelle.core.errors import invalid


class _Object(msgspec.Struct, frozen=True):
    """Any object: that it is there is all that matters."""


class _Typed(msgspec.Struct, frozen=True, rename="camel"):
    """Something with a media type, inline or by URI."""

    mime_type: str | None = None
    snake: str | None = msgspec.field(default=None, name="mime_type")


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    inline_data: _Typed | None = None
    file_data: _Typed | None = None
    inline_snake: _Typed | None = msgspec.field(default=None, name="inline_data")
    file_snake: _Typed | None = msgspec.field(default=None, name="file_data")


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
    tools: list[dict[str, Any]] | dict[str, Any] | None = None
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
_FUNCTIONS: Final = frozenset({"functionDeclarations", "function_declarations"})


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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
    images = 0
    media = False
    for content in contents if isinstance(contents, list) else (contents,):
        parts = content.parts
        if parts is None:
            continue
        for part in parts if isinstance(parts, list) else (parts,):
            held = part.inline_data or part.inline_snake
            if held is not None:
                media = True
            else:
                held = part.file_data or part.file_snake
                if held is None:
                    continue
            kind = media_kind(held.mime_type or held.snake)
            if kind == "image":
                images += 1
                features.add("images")
            else:
                features.add("audio" if kind == "audio" else "files")
    if seen.tools:
        for tool in seen.tools if isinstance(seen.tools, list) else (seen.tools,):
            for name in tool:
                features.add("tools" if name in _FUNCTIONS else "builtin_tools")
    config = seen.generation_config or seen.config_snake
    limit = _settings(config, features) if config is not None else None
    media = media or b'"functionResponse"' in body or b'"function_response"' in body
    return Envelope(
        operation=target.operation,
        model=model_name(target.model, seen.model),
        stream=bool(target.stream),
        max_output_tokens=limit,
        features=frozenset(features),
        session=seen.cached_content or seen.cached_snake,
        text_bytes=estimate_text_bytes(body) if media else len(body),
        images=images,
        stored=bool(seen.store),
        relayable=not target.json_array and FOREIGN not in body,
    )


def _settings(config: _Config, features: set[str]) -> int | None:
    """Adds what the settings ask for to `features`; gives the output limit."""
    for name, value in (
        ("maxOutputTokens", config.max_output_tokens or config.limit_snake),
        ("candidateCount", config.candidate_count or config.count_snake),
    ):
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
    if (config.candidate_count or config.count_snake or 1) > 1:
        features.add("n")
    if config.response_logprobs or config.logprobs_snake:
        features.add("logprobs")
    thinking = config.thinking_config or config.thinking_snake
    if thinking is not None and 0 not in (thinking.thinking_budget, thinking.budget_snake):
        features.add("reasoning")
    return config.max_output_tokens if config.max_output_tokens is not None else config.limit_snake
