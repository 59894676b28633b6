"""Embeddings by InvokeModel: each maker's own body, and a list of bodies where a model takes one text at a
time.

Bodies and answers (docs.aws.amazon.com/bedrock "Amazon Titan Embeddings G1 - Text", "Cohere Embed v3" and
"v4", "Amazon Nova Multimodal Embeddings"; read 2026-11-22):

    amazon.titan-embed-…    {"inputText", "dimensions" (v2)}
                            {"embedding", "inputTextTokenCount"}
    cohere.embed-…          {"texts" (96), "input_type", "output_dimension" (v4)}
                            {"embeddings": [[…]] | {"float": [[…]]}}
    amazon.nova-…embed…     {"taskType", "singleEmbeddingParams"}
                            {"embeddings": [{"embedding"}]}

What is sent to `providers/bedrock` is a JSON list of such bodies, and what comes back the list of their
answers. The count that Cohere tells in a header only is put into its answer there, as
`inputTextTokenCount`.
"""

from typing import Annotated, Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Target, Watched
from passerelle.codecs.bedrock.models import base_model
from passerelle.codecs.fields import BAD_JSON
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.request import Dialect, EmbedRequest
from passerelle.core.response import EmbedResponse
from passerelle.core.usage import NO_USAGE, Usage

_COHERE_TEXTS: Final = 96
_MOST_BODIES: Final = 96
_COHERE_TASKS: Final = {
    "RETRIEVAL_QUERY": "search_query",
    "QUESTION_ANSWERING": "search_query",
    "FACT_VERIFICATION": "search_query",
    "RETRIEVAL_DOCUMENT": "search_document",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
}
"""Gemini's words for what vectors are for → Cohere's; `search_document` when nobody says."""
_encode = msgspec.json.Encoder().encode


class _Nova(msgspec.Struct):
    embedding: tuple[float, ...] = ()


class _Floats(msgspec.Struct):
    vectors: tuple[tuple[float, ...], ...] = msgspec.field(default=(), name="float")


class _Answer(msgspec.Struct, rename="camel"):
    embedding: tuple[float, ...] | None = None
    embeddings: msgspec.Raw = msgspec.Raw()
    input_text_token_count: Annotated[int, msgspec.Meta(ge=0)] | None = None


_answers: Final = msgspec.json.Decoder(list[_Answer])
_shapes: Final = (
    msgspec.json.Decoder(tuple[tuple[float, ...], ...]),
    msgspec.json.Decoder(_Floats),
    msgspec.json.Decoder(tuple[_Nova, ...]),
)


class EmbedProvider:
    """Obeys `codecs.base.TaskProviderSide`."""

    dialect: Dialect = "bedrock"

    def encode_request(self, request: EmbedRequest, target: Target) -> Encoded:
        """The bodies. Raises `ProblemError` for token ids, for too many texts, and for a model that is known
        to embed nothing.
        """
        texts: list[str] = []
        for at, text in enumerate(request.inputs):
            if not isinstance(text, str):
                message = (
                    f"`input[{at}]` is a list of token ids, which `{target.model}` cannot read: send text"
                )
                raise invalid(message, f"input[{at}]")
            texts.append(text)
        dropped = [*(request.extra or ())]
        dropped += [name for name, value in (("user", request.user), ("title", request.title)) if value]
        base = base_model(target.model)
        if base.startswith("cohere."):
            bodies = _cohere(texts, request, base, dropped)
        elif base.startswith("amazon.nova"):
            bodies = [_nova(text, request.dimensions) for text in texts]
        elif base.startswith("amazon.titan-embed"):
            bodies = _titan(texts, request, base, dropped)
        else:
            raise invalid(f"`{target.model}` is not known to give embeddings; name another model", "model")
        if request.task is not None and not base.startswith("cohere."):
            dropped.append("task_type")
        if len(bodies) > _MOST_BODIES:
            raise invalid(
                f"`{target.model}` takes one text at a time, and {len(bodies)} are too many for one request; "
                f"send {_MOST_BODIES} at most",
                "input",
            )
        return Encoded(_encode(bodies), tuple(dropped))

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Nobody asks for embeddings in this dialect."""
        return None

    def decode_response(self, body: bytes, content_type: str = "application/json") -> EmbedResponse:
        """Raises `AnswerError` unless it holds vectors."""
        try:
            answers = _answers.decode(body)
            vectors = tuple([vector for answer in answers for vector in _vectors(answer)])
        except BAD_JSON:
            vectors = ()
        if not vectors or not all(vectors):
            raise AnswerError("the provider's answer holds no embeddings")
        return EmbedResponse(vectors, usage=_usage(answers))

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`; never needed, since nothing is relayed."""
        return Watched(usage=self.decode_response(body).usage)


def _cohere(texts: list[str], request: EmbedRequest, base: str, dropped: list[str]) -> list[dict[str, Any]]:
    settings: dict[str, Any] = {"input_type": _COHERE_TASKS.get(request.task or "", "search_document")}
    if request.task is not None and request.task not in _COHERE_TASKS:
        dropped.append("task_type")
    if request.dimensions is not None:
        if "-v4" in base:
            settings["output_dimension"] = request.dimensions
        else:
            dropped.append("dimensions")
    starts = range(0, len(texts), _COHERE_TEXTS)
    return [{"texts": texts[start : start + _COHERE_TEXTS], **settings} for start in starts]


def _titan(texts: list[str], request: EmbedRequest, base: str, dropped: list[str]) -> list[dict[str, Any]]:
    settings: dict[str, Any] = {}
    if request.dimensions is not None:
        if "-v1" in base:
            dropped.append("dimensions")
        else:
            settings["dimensions"] = request.dimensions
    return [{"inputText": text, **settings} for text in texts]


def _nova(text: str, dimensions: int | None) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "embeddingPurpose": "GENERIC_INDEX",
        "text": {"truncationMode": "NONE", "value": text},
    }
    if dimensions is not None:
        asked["embeddingDimension"] = dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": asked}


def _vectors(answer: _Answer) -> tuple[tuple[float, ...], ...]:
    if answer.embedding is not None:
        return (answer.embedding,)
    for shape in _shapes:
        try:
            found: Any = shape.decode(answer.embeddings)
        except msgspec.DecodeError:
            continue
        if isinstance(found, _Floats):
            return found.vectors
        return tuple([one.embedding if isinstance(one, _Nova) else one for one in found])
    return ()


def _usage(answers: list[_Answer]) -> Usage:
    counts = [answer.input_text_token_count for answer in answers]
    if not counts or any(count is None for count in counts):
        return NO_USAGE
    return Usage(input_tokens=sum(count or 0 for count in counts))
