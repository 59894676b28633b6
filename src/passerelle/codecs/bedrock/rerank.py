"""Rankings by InvokeModel: Cohere's body, which Amazon's own ranker takes as well.

    cohere.rerank-…    {"query", "documents", "top_n", "api_version": 2}
    amazon.rerank-…    {"query", "documents", "top_n"}
                       {"results": [{"index", "relevance_score"}]}

There is an operation Rerank too, at another host (`bedrock-agent-runtime`). It takes no Bedrock API key ("You
can't use them with … Agents for Amazon Bedrock Runtime API operations": docs.aws.amazon.com/bedrock "API keys
reference") and no inference profile ("The provided model ARN for reranking is invalid":
aws-samples/dify-aws-tool#159, which therefore invokes the model), so the model is invoked here.

Body and answer: docs.cohere.com "Cohere on Amazon Bedrock"; cohere-ai/cohere-python#613 (for `api_version`);
run-llama/llama_index#18462 (Amazon's). Prices by the query of up to a hundred documents:
aws.amazon.com/bedrock/pricing. All read 2026-11-22.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Target, Watched
from passerelle.codecs.bedrock.models import base_model
from passerelle.codecs.fields import BAD_JSON
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.request import Dialect
from passerelle.core.tasks import Ranked, RerankRequest, RerankResponse
from passerelle.core.usage import Usage

MOST_DOCUMENTS: Final = 1_000
"""As many as the operation Rerank takes (docs.aws.amazon.com/bedrock, API reference "Rerank")."""
_SEARCH_DOCUMENTS: Final = 100
_encode = msgspec.json.Encoder().encode


class _Scored(msgspec.Struct):
    index: int
    relevance_score: float


class _Answer(msgspec.Struct):
    results: list[_Scored]
    id: str | None = None


_answer: Final = msgspec.json.Decoder(_Answer)


class RerankProvider:
    """Obeys `codecs.base.TaskProviderSide`."""

    dialect: Dialect = "bedrock"

    def encode_request(self, request: RerankRequest, target: Target) -> Encoded:
        """All documents are asked for, whatever `top_n`: their number is what is billed, and the answer alone
        tells it. Raises `ProblemError` for too many, and for a model that is known to rank nothing.
        """
        base = base_model(target.model)
        if "rerank" not in base and "." in base:
            raise invalid(f"`{target.model}` is not known to give rankings; name another model", "model")
        count = len(request.documents)
        if count > MOST_DOCUMENTS:
            raise invalid(
                f"`documents` holds {count}; send fewer: `{target.model}` ranks {MOST_DOCUMENTS} at a time",
                "documents",
            )
        body: dict[str, Any] = {
            "query": request.query,
            "documents": list(request.documents),
            "top_n": count,
        }
        dropped: tuple[str, ...] = ()
        if base.startswith("amazon."):
            dropped = tuple(request.extra or ())
        else:
            body = {**(request.extra or {}), **body, "api_version": 2}
        return Encoded(_encode(body), dropped)

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Nobody asks for rankings in this dialect."""
        return None

    def decode_response(self, body: bytes, content_type: str = "application/json") -> RerankResponse:
        """Best first, whatever order they came in. Raises `AnswerError`.

        Searches are counted here, and so estimated: a long document counts as several.
        """
        try:
            answer = _answer.decode(body)
        except BAD_JSON:
            raise AnswerError("the provider's ranking is in no known form") from None
        if not answer.results:
            raise AnswerError("the provider gave no ranking")
        results = [Ranked(found.index, found.relevance_score) for found in answer.results]
        results.sort(key=lambda ranked: -ranked.score)
        searches = -(-len(results) // _SEARCH_DOCUMENTS)
        return RerankResponse(
            tuple(results), usage=Usage(searches=searches, source="estimated"), id=answer.id
        )

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`; never needed, since nothing is relayed."""
        return Watched(usage=self.decode_response(body).usage)
