"""OpenAI's embeddings, both sides.

Shapes: `openai.types.embedding_create_params` and `create_embedding_response` (SDK 3.54, read
2026-11-22). The SDK asks for `base64` by itself and decodes it: little-endian float32.
"""

import binascii
import struct
from typing import Any, Literal

import msgspec

from passerelle.codecs.base import Encoded, Envelope, PathTarget, ReplyContext, Target, Watched, Whole
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.names import digest
from passerelle.codecs.openai_chat.answers import parse_answer
from passerelle.codecs.openai_chat.losses import Journey
from passerelle.codecs.openai_chat.mistral import as_translated
from passerelle.codecs.openai_chat.usage import WireUsage, decode_usage
from passerelle.codecs.openai_reading import (
    decode,
    decode_object,
    left,
    missing,
    need_text,
    take_int,
    take_text,
    wrong,
)
from passerelle.codecs.splice import join, quoted, split
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.request import Dialect, EmbedRequest, Request
from passerelle.core.response import EmbedResponse
from passerelle.core.usage import NO_USAGE

_json = msgspec.json.Encoder()

_MAX_USER = 64


class _Ask(msgspec.Struct):
    model: str
    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    model: str | None = None
    usage: WireUsage | None = None


class _Seen(msgspec.Struct):
    data: list[msgspec.Raw]
    model: str | None = None
    usage: WireUsage | None = None


_ask_decoder = msgspec.json.Decoder(_Ask)
_answer_decoder = msgspec.json.Decoder(_Answer)
_seen_decoder = msgspec.json.Decoder(_Seen)


class EmbedClient:
    """Embeddings as callers ask for them (obeys `TaskClientSide`)."""

    dialect: Dialect = "openai_chat"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """Raises `ProblemError` naming the field."""
        ask = decode(_ask_decoder, body)
        if not ask.model:
            raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
        _inputs(ask.input)
        envelope = Envelope(operation="embed", model=ask.model, session=ask.user, text_bytes=len(body))
        return as_translated(envelope) if target.speaker == "mistral" else envelope

    def decode_request(self, body: bytes, target: PathTarget) -> EmbedRequest:
        """The whole request. Raises `ProblemError`."""
        fields = decode_object(body)
        model = need_text(fields, "model", "")
        if "input" not in fields:
            raise missing("input")
        inputs, single = _inputs(fields.pop("input"))
        encoding = take_text(fields, "encoding_format")
        if encoding not in (None, "float", "base64"):
            raise invalid(f"`encoding_format` is `{encoding}`; use `float` or `base64`.", "encoding_format")
        return EmbedRequest(
            model=model,
            inputs=inputs,
            dialect="openai_chat",
            dimensions=take_int(fields, "dimensions", least=1),
            encoding="base64" if encoding == "base64" else "float",
            single=single,
            user=take_text(fields, "user"),
            extra=left(fields),
        )

    def encode_response(self, response: EmbedResponse, request: EmbedRequest, context: ReplyContext) -> Whole:
        """The vectors, in the form the caller asked for."""
        form = _as_base64 if request.encoding == "base64" else _as_floats
        data = [
            {"object": "embedding", "index": index, "embedding": form(vector)}
            for index, vector in enumerate(response.vectors)
        ]
        tokens = response.usage.total_input_tokens
        return Whole(
            _json.encode(
                {
                    "id": "embedding",  # names nothing, but Mistral's SDK insists on one
                    "object": "list",
                    "data": data,
                    "model": response.model or request.model,
                    "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
                }
            )
        )


class EmbedProvider:
    """Embeddings as providers are asked for them (obeys `TaskProviderSide`)."""

    dialect: Dialect = "openai_chat"

    def encode_request(self, request: EmbedRequest, target: Target) -> Encoded:
        """The request, and what OpenAI's form has no place for."""
        journey = Journey(Request(request.model, (), request.dialect), target)
        inputs: list[Any] = [text if isinstance(text, str) else list(text) for text in request.inputs]
        body: dict[str, Any] = {
            "model": target.model,
            "input": inputs[0] if request.single and len(inputs) == 1 else inputs,
        }
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if request.encoding == "base64":
            body["encoding_format"] = "base64"
        if request.user is not None:
            if "no_metadata" in target.quirks:
                journey.drop("user")
            elif journey.own or len(request.user) <= _MAX_USER:
                body["user"] = request.user
            else:
                body["user"] = "user_" + digest(request.user, 40)
        if request.task is not None:
            journey.drop("task_type")
        if request.title is not None:
            journey.drop("title")
        return Encoded(_json.encode(journey.extras(body, request.extra)), journey.dropped)

    def relay_request(self, body: bytes, target: Target) -> bytes:
        """The caller's body with the model spliced."""
        fields = split(body)
        fields["model"] = msgspec.Raw(quoted(target.model))
        if "no_metadata" in target.quirks:
            fields.pop("user", None)
        return join(fields)

    def decode_response(self, body: bytes, content_type: str = "application/json") -> EmbedResponse:
        """Raises `AnswerError` for an error, no vectors, or an order with gaps."""
        try:
            answer = _answer_decoder.decode(body)
        except BAD_JSON:
            parse_answer(body)  # an error body says more than its shape does
            raise AnswerError("the provider's embeddings are not in OpenAI's form") from None
        if not answer.data:
            raise AnswerError("the provider gave no embeddings")
        places = [at if item.index is None else item.index for at, item in enumerate(answer.data)]
        if sorted(places) != list(range(len(places))):
            raise AnswerError("the provider's embeddings are incomplete, or numbered twice")
        vectors: list[tuple[float, ...] | str] = [""] * len(places)
        for place, item in zip(places, answer.data, strict=True):
            given = item.embedding
            vectors[place] = given if isinstance(given, str) else tuple(given)
        return EmbedResponse(tuple(vectors), answer.model or "", decode_usage(answer.usage))

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`, without reading the vectors."""
        try:
            seen = _seen_decoder.decode(body)
        except BAD_JSON:
            parse_answer(body)
            raise AnswerError("the provider's embeddings are not in OpenAI's form") from None
        if not seen.data:
            raise AnswerError("the provider gave no embeddings")
        return Watched(seen.model or "", decode_usage(seen.usage) if seen.usage is not None else NO_USAGE)


def _inputs(value: Any) -> tuple[tuple[str | tuple[int, ...], ...], bool]:
    """The texts or token lists, and whether there was just one. Raises `ProblemError`."""
    if isinstance(value, str):
        if not value:
            raise invalid("`input` is empty; give the text to embed.", "input")
        return (value,), True
    if not isinstance(value, list):
        raise wrong("input", "a string or an array", value)
    if not value:
        raise invalid("`input` is empty; give at least one text.", "input")
    if all(type(item) is int for item in value):
        return (tuple(value),), True
    inputs: list[str | tuple[int, ...]] = []
    for index, item in enumerate(value):
        at = f"input[{index}]"
        if isinstance(item, str):
            if not item:
                raise invalid(f"`{at}` is empty; leave it out or give its text.", at)
            inputs.append(item)
        elif isinstance(item, list) and item and all(type(token) is int for token in item):
            inputs.append(tuple(item))
        else:
            raise invalid(f"`{at}` must be a text or a list of token numbers; correct it and send again.", at)
    return tuple(inputs), False


def _as_base64(vector: tuple[float, ...] | str) -> str:
    if isinstance(vector, str):
        return vector
    try:
        packed = struct.pack(f"<{len(vector)}f", *vector)
    except OverflowError:
        raise AnswerError("the provider's embedding holds a number that is no float32") from None
    return binascii.b2a_base64(packed, newline=False).decode("ascii")


def _as_floats(vector: tuple[float, ...] | str) -> tuple[float, ...]:
    """Raises `AnswerError` when a provider's base64 is not float32s."""
    if not isinstance(vector, str):
        return vector
    try:
        packed = binascii.a2b_base64(vector, strict_mode=True)
        return struct.unpack(f"<{len(packed) // 4}f", packed)
    except (ValueError, struct.error):
        raise AnswerError("the provider's embedding is not base64 of float32 numbers") from None
