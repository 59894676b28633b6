"""Rankings, as Cohere and Jina shaped them and others took over: OpenAI has none. Both sides.

Read 2026-11-22: docs.cohere.com/reference/rerank (`results` of `index` and `relevance_score`,
`meta.billed_units.search_units`; a search is a query with up to a hundred documents), api.jina.ai
(`documents` may be objects with `text`, `return_documents`, `usage.total_tokens`),
docs.voyageai.com/reference/reranker-api (`top_k`, and `data` for `results`); vLLM and llama.cpp follow Jina
in their servers. So one reader takes all of them, and callers get an answer with what each of their clients
looks for.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Envelope, PathTarget, ReplyContext, Target, Watched, Whole
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_chat.answers import parse_answer
from passerelle.codecs.openai_reading import (
    a_list,
    decode_object,
    left,
    missing,
    need_text,
    take_bool,
    take_int,
    wrong,
)
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.request import Dialect
from passerelle.core.tasks import Ranked, RerankRequest, RerankResponse
from passerelle.core.usage import NO_USAGE, Usage

_json = msgspec.json.Encoder()

MOST_DOCUMENTS: Final = 10_000
"""Cohere's own bound (docs.cohere.com/v2/docs/reranking-best-practices, read 2026-11-22)."""
SEARCH_DOCUMENTS: Final = 100
"""Documents of one billed search (cohere.com/pricing, read 2026-11-22)."""


class _Scored(msgspec.Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Billed(msgspec.Struct):
    search_units: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _Billed | None = None


class _Tokens(msgspec.Struct):
    total_tokens: int | None = None
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct):
    results: list[_Scored] | None = None
    data: list[_Scored] | None = None
    id: str | None = None
    model: str | None = None
    meta: _Meta | None = None
    usage: _Tokens | None = None


_answer_decoder = msgspec.json.Decoder(_Answer)


class RerankClient:
    """Rankings as callers ask for them (obeys `TaskClientSide`)."""

    dialect: Dialect = "openai_chat"

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """Raises `ProblemError` naming the field."""
        asked = self.decode_request(body, target)
        query = len(asked.query.encode("utf-8", "surrogatepass"))
        searches = Usage(searches=-(-len(asked.documents) // SEARCH_DOCUMENTS))
        return Envelope(
            operation="rerank",
            model=asked.model,
            text_bytes=len(body) + query * len(asked.documents),  # it is read again with each document
            likely=msgspec.structs.replace(searches, input_tokens=len(body) // 4 + 1),
            # Documents of more than 500 tokens are cut, and each piece counts as a document.
            most=Usage(searches=searches.searches + len(body) // (500 * SEARCH_DOCUMENTS)),
        )

    def decode_request(self, body: bytes, target: PathTarget) -> RerankRequest:
        """The whole request. Raises `ProblemError`."""
        fields = decode_object(body)
        model = need_text(fields, "model", "")
        if not model:
            raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
        query = need_text(fields, "query", "")
        if not query:
            raise invalid("`query` is empty; say what the documents are to be ranked by.", "query")
        if "documents" not in fields:
            raise missing("documents")
        given = a_list(fields.pop("documents"), "documents")
        if not given:
            raise invalid("`documents` is empty; give at least one.", "documents")
        if len(given) > MOST_DOCUMENTS:
            raise invalid(
                f"`documents` holds {len(given)}; send at most {MOST_DOCUMENTS} at a time.", "documents"
            )
        top = take_int(fields, "top_n", least=1) or take_int(fields, "top_k", least=1)
        return RerankRequest(
            model=model,
            query=query,
            documents=tuple(_text(item, f"documents[{at}]") for at, item in enumerate(given)),
            dialect="openai_chat",
            top_n=top,
            return_documents=take_bool(fields, "return_documents") or False,
            given=tuple(given),
            extra=left(fields),
        )

    def encode_response(
        self, response: RerankResponse, request: RerankRequest, context: ReplyContext
    ) -> Whole:
        """The order, with the documents where they were asked for. Raises `AnswerError` for one too many."""
        results: list[dict[str, Any]] = []
        if not all(0 <= found.index < len(request.documents) for found in response.results):
            raise AnswerError("the provider ranked a document that nobody sent")
        for found in response.results[: request.top_n]:
            line: dict[str, Any] = {"index": found.index, "relevance_score": found.score}
            if request.return_documents:
                item = request.given[found.index]
                line["document"] = {"text": item} if isinstance(item, str) else item
            results.append(line)
        usage = response.usage
        body: dict[str, Any] = {
            "id": response.id or f"rerank-{context.id}",
            "object": "list",
            "model": response.model or request.model,
            "results": results,
            "usage": {"prompt_tokens": usage.total_input_tokens, "total_tokens": usage.total_tokens},
        }
        if usage.searches:
            body["meta"] = {"billed_units": {"search_units": usage.searches}}
        return Whole(_json.encode(body))


class RerankProvider:
    """Rankings as providers are asked for them (obeys `TaskProviderSide`)."""

    dialect: Dialect = "openai_chat"

    def encode_request(self, request: RerankRequest, target: Target) -> Encoded:
        """The request, in the fields that all of them take."""
        body: dict[str, Any] = {
            "model": target.model,
            "query": request.query,
            "documents": list(request.documents),
        }
        if request.top_n is not None:
            body["top_k" if "rerank_top_k" in target.quirks else "top_n"] = request.top_n
        if request.extra:
            body |= {name: value for name, value in request.extra.items() if name not in body}
        return Encoded(_json.encode(body))

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Never: whose form the body has cannot be told from the outside."""
        return None

    def decode_response(self, body: bytes, content_type: str) -> RerankResponse:
        """Best first, whatever order they came in. Raises `AnswerError`."""
        try:
            answer = _answer_decoder.decode(body)
        except BAD_JSON:
            parse_answer(body)  # an error body says more than its shape does
            raise AnswerError("the provider's ranking is in no known form") from None
        found = answer.results if answer.results is not None else answer.data
        if not found:
            parse_answer(body)
            raise AnswerError("the provider gave no ranking")
        results = []
        for item in found:
            score = item.relevance_score if item.relevance_score is not None else item.score
            if score is None:
                raise AnswerError("the provider ranked a document without a score")
            results.append(Ranked(item.index, score))
        results.sort(key=lambda ranked: -ranked.score)
        return RerankResponse(tuple(results), answer.model or "", _usage(answer), answer.id)

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`."""
        answer = self.decode_response(body, "")
        return Watched(answer.model, answer.usage)


def _usage(answer: _Answer) -> Usage:
    if answer.meta is not None and answer.meta.billed_units is not None:
        searches = answer.meta.billed_units.search_units
        if searches is not None:
            return Usage(searches=max(0, int(searches)))
    if answer.usage is not None:
        tokens = answer.usage.total_tokens or answer.usage.prompt_tokens
        if tokens:
            return Usage(input_tokens=max(0, tokens))
    return NO_USAGE


def _text(item: Any, at: str) -> str:
    """A document's words: itself, its `text`, or all its fields (Cohere's v1 ranks those)."""
    if isinstance(item, str):
        return item
    if not isinstance(item, dict):
        raise wrong(at, "a string or an object", item)
    text = item.get("text")
    if isinstance(text, str):
        return text
    words = "\n".join(f"{name}: {value}" for name, value in item.items() if isinstance(value, str))
    if not words:
        raise invalid(f"`{at}` has no `text`; send documents as strings, or with a `text`.", f"{at}.text")
    return words
