"""Embeddings: `embedContent` (one text) and `batchEmbedContents` (several), both sides.

Shapes from ai.google.dev/api/embeddings and `google-genai` 3.4.0 (`models.py`, read 2026-11-22): a batch is a
list of requests that each repeat the model; its answer is `{"embeddings": [{"values": […]}]}`, that of one
text `{"embedding": {"values": […]}}`.
"""

import array
import binascii
import sys
from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Envelope, PathTarget, ReplyContext, Target, Watched, Whole
from passerelle.codecs.gemini import types as wire
from passerelle.codecs.gemini import vertex
from passerelle.codecs.gemini.errors import read_failure
from passerelle.codecs.gemini.request import model_name, problem
from passerelle.codecs.gemini.response import describe
from passerelle.codecs.gemini.usage import read_usage
from passerelle.codecs.gemini.wire import Wire, WireError, check_utf8, parse
from passerelle.codecs.splice import quoted, splice
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.request import Dialect, EmbedRequest
from passerelle.core.response import EmbedResponse
from passerelle.core.usage import NO_USAGE, Usage

_encode = msgspec.json.Encoder().encode
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_requests: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _One(Wire, frozen=True):
    """A text to embed."""

    model: str | None = None
    content: wire.Content | None = None
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: int | None = None


class _Batch(Wire, frozen=True):
    """Several."""

    requests: list[_One] | None = None


class _Vector(Wire, frozen=True):
    values: list[float] | None = None


class _Counted(Wire, frozen=True):
    token_count: int | None = None


class _Predicted(_Vector, frozen=True):
    statistics: _Counted | None = None


class _Prediction(Wire, frozen=True):
    embeddings: _Predicted | None = None


class _Answer(Wire, frozen=True):
    embedding: _Vector | None = None
    embeddings: list[_Vector] | None = None
    predictions: list[_Prediction] | None = None
    """Vertex AI's `predict`: each text's vector under `embeddings`, with its own count."""
    usage_metadata: wire.UsageMetadata | None = None
    error: wire.ErrorInfo | None = None


class _Object(msgspec.Struct, frozen=True):
    """Any object: that it is there is all that matters."""


class _Glance(msgspec.Struct, frozen=True, rename="camel"):
    """An answer without its vectors."""

    embedding: _Object | None = None
    embeddings: list[_Object] | None = None
    usage_metadata: wire.UsageMetadata | None = None
    error: _Object | None = None


_glance: Final = msgspec.json.Decoder(_Glance)


def is_single(body: bytes) -> bool:
    """Whether an encoded request is for `embedContent` rather than `batchEmbedContents`."""
    return "requests" not in _fields.decode(body)


class EmbedClient:
    """Obeys `codecs.base.TaskClientSide`."""

    dialect: Dialect = "gemini"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """Raises `ProblemError` naming the field for anything that is wrong."""
        try:
            ones = _read(body, single=target.single)
            model = model_name(target.model, ones[0].model)
            for at, one in enumerate(ones):
                _text(one, at, single=target.single)
        except WireError as error:
            raise problem(error) from None
        return Envelope("embed", model, text_bytes=len(body))

    def decode_request(self, body: bytes, target: PathTarget) -> EmbedRequest:
        """The whole request. Core asks the same of all texts: differing settings are refused."""
        try:
            ones = _read(body, single=target.single)
            texts = tuple(_text(one, at, single=target.single) for at, one in enumerate(ones))
            _same(ones)
            model = model_name(target.model, ones[0].model)
        except WireError as error:
            raise problem(error) from None
        first = ones[0]
        return EmbedRequest(
            model=model,
            inputs=texts,
            dialect="gemini",
            dimensions=first.output_dimensionality,
            task=first.task_type,
            title=first.title,
            single=target.single,
            extra=first.extra,
        )

    def encode_response(self, response: EmbedResponse, request: EmbedRequest, context: ReplyContext) -> Whole:
        """The vectors as Google gives them."""
        vectors = [{"values": _floats(vector)} for vector in response.vectors]
        body: dict[str, Any] = {"embedding": vectors[0]} if request.single else {"embeddings": vectors}
        if response.usage.source != "none":
            count = response.usage.total_input_tokens
            body["usageMetadata"] = {"promptTokenCount": count, "totalTokenCount": count}
        return Whole(_encode(body))


class EmbedProvider:
    """Obeys `codecs.base.TaskProviderSide`."""

    dialect: Dialect = "gemini"

    def encode_request(self, request: EmbedRequest, target: Target) -> Encoded:
        """A batch, or one text when the caller sent one by `embedContent`.

        Raises `ProblemError` for token ids, which only OpenAI reads.
        """
        own = request.dialect == "gemini"
        dropped: list[str] = []
        said = {"taskType": request.task, "title": request.title, "outputDimensionality": request.dimensions}
        settings: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        if own:
            settings.update(request.extra or {})
        else:
            dropped += request.extra or ()
        if request.user:
            dropped.append("user")
        texts: list[str] = []
        for at, text in enumerate(request.inputs):
            if not isinstance(text, str):
                message = (
                    f"`input[{at}]` is a list of token ids, which `{target.model}` cannot read: send text"
                )
                raise invalid(message, f"input[{at}]")
            texts.append(text)
        if vertex.QUIRK in target.quirks:
            asked, lost = vertex.embedding(target.model, texts, settings, single=request.single)
            return Encoded(_encode(asked), (*dropped, *lost))
        model = "models/" + target.model.removeprefix("models/")
        ones = [{"model": model, "content": {"parts": [{"text": text}]}, **settings} for text in texts]
        body = ones[0] if request.single and len(ones) == 1 else {"requests": ones}
        return Encoded(_encode(body), tuple(dropped))

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """The caller's bytes with every model in them spliced. None at Vertex AI, which asks and answers in
        other shapes than a Gemini caller knows.
        """
        if vertex.QUIRK in target.quirks:
            return None
        model = quoted("models/" + target.model.removeprefix("models/"))
        fields = _fields.decode(body)
        if "requests" not in fields:
            return splice(body, {"model": model}) if "model" in fields else body
        spliced = [msgspec.Raw(splice(bytes(one), {"model": model})) for one in _list(fields["requests"])]
        return splice(body, {"requests": _encode(spliced)})

    def decode_response(self, body: bytes, content_type: str = "application/json") -> EmbedResponse:
        """Raises `AnswerError` unless it holds vectors."""
        try:
            check_utf8(body)
            said = parse(body, _Answer)
        except WireError as error:
            raise AnswerError(f"the provider's answer holds no embeddings: {describe(body, error)}") from None
        if said.error is not None:
            failed = read_failure(said.error)
            raise AnswerError(failed.message, failed.failure)
        if said.predictions is not None:
            return _predicted(said.predictions)
        vectors = said.embeddings or ([said.embedding] if said.embedding is not None else [])
        if not vectors or any(not vector.values for vector in vectors):
            raise AnswerError("the provider's answer holds no embeddings")
        values = tuple(tuple(vector.values or ()) for vector in vectors)
        return EmbedResponse(values, usage=_usage(said.usage_metadata))

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`, without reading the vectors."""
        try:
            check_utf8(body)
            said = _glance.decode(body)
        except (WireError, msgspec.DecodeError, RecursionError):
            return Watched(usage=self.decode_response(body).usage)
        if said.error is not None or not (said.embedding or said.embeddings):
            self.decode_response(body)  # says what is wrong
        return Watched(usage=_usage(said.usage_metadata))


def _predicted(predictions: list[_Prediction]) -> EmbedResponse:
    vectors = [one.embeddings for one in predictions if one.embeddings is not None]
    if len(vectors) < len(predictions) or not vectors or any(not vector.values for vector in vectors):
        raise AnswerError("the provider's answer holds no embeddings")
    counts = [vector.statistics.token_count for vector in vectors if vector.statistics is not None]
    told = [count for count in counts if count is not None]
    usage = Usage(input_tokens=sum(told), source="provider") if len(told) == len(vectors) else NO_USAGE
    return EmbedResponse(tuple(tuple(vector.values or ()) for vector in vectors), usage=usage)


def _usage(said: wire.UsageMetadata | None) -> Usage:
    return read_usage(said) if said is not None else NO_USAGE


def _list(raw: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return _requests.decode(raw)
    except msgspec.ValidationError:  # one object where a list is wanted
        return [raw]


def _read(body: bytes, *, single: bool) -> list[_One]:
    check_utf8(body)
    if single:
        return [parse(body, _One)]
    ones = parse(body, _Batch).requests
    if not ones:
        raise WireError("`requests` is missing or empty: send at least one text to embed", "requests")
    return ones


def _text(one: _One, at: int, *, single: bool) -> str:
    """The words of a content: text models take nothing else."""
    path = "content" if single else f"requests[{at}].content"
    if one.content is None or not one.content.parts:
        raise WireError(f"`{path}` is missing or empty: send the text to embed", path)
    for index, part in enumerate(one.content.parts):
        if part.text is None:
            where = f"{path}.parts[{index}]"
            raise WireError(f"`{where}` has no text: only text can be embedded here", where)
    return "".join([part.text or "" for part in one.content.parts])


def _same(ones: list[_One]) -> None:
    first = ones[0]
    for at, one in enumerate(ones):
        for field, name in (
            ("task_type", "taskType"),
            ("title", "title"),
            ("output_dimensionality", "outputDimensionality"),
        ):
            if getattr(one, field) != getattr(first, field):
                path = f"requests[{at}].{name}"
                raise WireError(
                    f"`{path}` differs from the first: send such texts in batches of their own", path
                )


def _floats(vector: tuple[float, ...] | str) -> list[float]:
    """The numbers, out of base64 of little-endian float32 where they came so."""
    if not isinstance(vector, str):
        return list(vector)
    numbers = array.array("f", binascii.a2b_base64(vector))
    if sys.byteorder == "big":
        numbers.byteswap()
    return list(numbers)
