"""Gemini's routes: the model and the verb stand in the path, `models/{model}:{verb}`."""

from datetime import UTC, datetime
from urllib.parse import parse_qs

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.core.errors import Problem, ProblemError
from passerelle.server.answer import send_whole
from passerelle.server.call import ModelCalls
from passerelle.server.models import Listing, ModelList
from passerelle.server.route import Arrival, Route

PREFIX = "/v1beta/models/"
_VERBS = {
    "generateContent": PathTarget("chat", stream=False),
    "streamGenerateContent": PathTarget("chat", stream=True),
    "countTokens": PathTarget("count_tokens", stream=False),
    "embedContent": PathTarget("embed", stream=False, single=True),
    "batchEmbedContents": PathTarget("embed", stream=False),
}


def routes(calls: ModelCalls, models: ModelList) -> tuple[Route, ...]:
    """Everything under `/v1beta`."""
    call = calls.handler("gemini", _target)

    async def list_models(arrival: Arrival) -> None:
        listed = [_model(m) for m in models.visible(arrival.caller)]
        await send_whole(arrival, 200, msgspec.json.encode({"models": listed}), [])

    async def get_model(arrival: Arrival) -> None:
        found = models.find(arrival.caller, arrival.rest)
        if found is None:
            raise ProblemError(_unknown(arrival.rest))
        await send_whole(arrival, 200, msgspec.json.encode(_model(found)), [])

    return (
        Route("/v1beta/models", frozenset({"GET", "HEAD"}), "model:list", list_models, "gemini"),
        Route(PREFIX, frozenset({"POST"}), "model:call", call, "gemini", prefix=True),
        Route(PREFIX, frozenset({"GET", "HEAD"}), "model:list", get_model, "gemini", prefix=True),
    )


def _target(arrival: Arrival) -> PathTarget:
    model, colon, verb = arrival.rest.rpartition(":")
    target = _VERBS.get(verb)
    if not colon or not model or target is None:
        verbs = ", ".join(f"`:{name}`" for name in _VERBS)
        raise ProblemError(
            Problem("not_found", f"`{arrival.rest[:120]}` is no method of a model; append one of {verbs}.")
        )
    query = parse_qs(arrival.scope.get("query_string", b"").decode("latin-1"))
    json_array = target.stream is True and query.get("alt", [""])[0] != "sse"
    return msgspec.structs.replace(target, model=model, json_array=json_array)


def _model(listing: Listing) -> dict[str, object]:
    shown: dict[str, object] = {
        "name": f"models/{listing.id}",
        "baseModelId": listing.id,
        "version": datetime.fromtimestamp(listing.created_s, UTC).date().isoformat(),
        "displayName": listing.name or listing.id,
        "supportedGenerationMethods": (
            ["embedContent", "batchEmbedContents"]
            if listing.embeds
            else ["generateContent", "streamGenerateContent", "countTokens"]
        ),
    }
    if listing.context_tokens is not None:
        shown["inputTokenLimit"] = listing.context_tokens
    if listing.max_output_tokens is not None:
        shown["outputTokenLimit"] = listing.max_output_tokens
    return shown


def _unknown(name: str) -> Problem:
    return Problem(
        "model_not_found",
        f"The model `{name[:120]}` does not exist here or is not for this key; "
        "list yours with GET /v1beta/models.",
    )
