"""Rankings by Google's ranking API, which stands beside Vertex AI (quirk `on_vertex`).

From docs.cloud.google.com/generative-ai-app-builder/docs/ranking and the REST reference of
`projects.locations.rankingConfigs.rank` (read 2026-11-22): `model`, `query`, `records` with an `id` and
`content`, `topN` (all when it is left out), `ignoreRecordDetailsInResponse`; the answer repeats each id with
a `score`. Billed by the query of a hundred records (cloud.google.com/generative-ai-app-builder/pricing).
"""

from typing import Final

import msgspec

from passerelle.codecs.base import Encoded, Target, Watched
from passerelle.codecs.gemini.errors import read_failure
from passerelle.codecs.gemini.types import ErrorInfo
from passerelle.codecs.gemini.vertex import QUIRK
from passerelle.codecs.gemini.wire import Wire
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.request import Dialect
from passerelle.core.tasks import Ranked, RerankRequest, RerankResponse
from passerelle.core.usage import Usage

MOST_RECORDS: Final = 1_000
"""As many as are ranked at once (docs.cloud.google.com, "Reranking search results with VertexRanker")."""
_SEARCH_RECORDS: Final = 100
_encode = msgspec.json.Encoder().encode


class _Record(msgspec.Struct):
    id: str
    score: float | None = None


class _Answer(Wire, frozen=True):
    records: tuple[_Record, ...] = ()
    error: ErrorInfo | None = None


_answer: Final = msgspec.json.Decoder(_Answer)


class RankProvider:
    """Obeys `codecs.base.TaskProviderSide`."""

    dialect: Dialect = "gemini"

    def encode_request(self, request: RerankRequest, target: Target) -> Encoded:
        """All documents are asked for, whatever `top_n`: their number is what is billed, and the answer alone
        tells it. Raises `ProblemError` for too many, and at the Gemini API, which ranks nothing.
        """
        if QUIRK not in target.quirks:
            raise invalid(
                f"`{target.model}` is at the Gemini API, which ranks nothing; name another model", "model"
            )
        count = len(request.documents)
        if count > MOST_RECORDS:
            raise invalid(
                f"`documents` holds {count}; send fewer: `{target.model}` ranks {MOST_RECORDS} at a time",
                "documents",
            )
        body = {
            "model": target.model,
            "query": request.query,
            "records": [{"id": str(at), "content": text} for at, text in enumerate(request.documents)],
            "ignoreRecordDetailsInResponse": True,
        }
        return Encoded(_encode(body), tuple(request.extra or ()))

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Nobody asks for rankings in this dialect."""
        return None

    def decode_response(self, body: bytes, content_type: str = "application/json") -> RerankResponse:
        """Best first, whatever order they came in. Raises `AnswerError`.

        Searches are counted here, and so marked as estimated.
        """
        try:
            answer = _answer.decode(body)
            results = [Ranked(int(found.id), found.score or 0.0) for found in answer.records]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            raise AnswerError("the provider's ranking is in no known form") from None
        if answer.error is not None:
            failed = read_failure(answer.error)
            raise AnswerError(failed.message, failed.failure)
        if not results:
            raise AnswerError("the provider gave no ranking")
        results.sort(key=lambda ranked: -ranked.score)
        searches = -(-len(results) // _SEARCH_RECORDS)
        return RerankResponse(tuple(results), usage=Usage(searches=searches, source="estimated"))

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`; never needed, since nothing is relayed."""
        return Watched(usage=self.decode_response(body).usage)
