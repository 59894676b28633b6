"""Gemini's routes: the model and the verb stand in the path, `models/{model}:{verb}`.

Calls are taken under `/v1` as well: since November 2026 Google's SDKs go there unless told otherwise
(google-genai 3.4 for Python, release notes of googleapis/go-genai v1.78.0, read 2026-11-22). The list
`/v1/models` is shared with the other dialects: see `openai`.
"""

from urllib.parse import parse_qs

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.core.errors import Problem, ProblemError
from passerelle.server.answer import send_whole
from passerelle.server.call import ModelCalls
from passerelle.server.models import ModelList, gemini_list, gemini_model
from passerelle.server.route import Arrival, Route, Scope
from passerelle.server.v1.gemini_batches import CREATE, GeminiBatches

PREFIX = "/v1beta/models/"
STABLE_PREFIX = "/v1/models/"
_VERBS = {
    "generateContent": PathTarget("chat", stream=False),
    "streamGenerateContent": PathTarget("chat", stream=True),
    "countTokens": PathTarget("count_tokens", stream=False),
    "embedContent": PathTarget("embed", stream=False, single=True),
    "batchEmbedContents": PathTarget("embed", stream=False),
}


def routes(calls: ModelCalls, models: ModelList, batches: GeminiBatches) -> tuple[Route, ...]:
    """Everything under `/v1beta`, and the calls under `/v1`."""
    call_one = calls.handler("gemini", _target)

    async def call(arrival: Arrival) -> None:
        await (batches.create if arrival.rest.endswith(CREATE) else call_one)(arrival)

    async def list_models(arrival: Arrival) -> None:
        await send_whole(arrival, 200, gemini_list(models.visible(arrival.caller)), [])

    async def get_model(arrival: Arrival) -> None:
        found = models.find(arrival.caller, arrival.rest)
        if found is None:
            refuse_get_of_a_call(arrival)
            raise ProblemError(_unknown(arrival.rest))
        await send_whole(arrival, 200, msgspec.json.encode(gemini_model(found)), [])

    return (
        *batches.routes(),
        Route("/v1beta/models", frozenset({"GET", "HEAD"}), "model:list", list_models, "gemini"),
        Route(PREFIX, frozenset({"POST"}), "model:call", call, "gemini", prefix=True),
        Route(STABLE_PREFIX, frozenset({"POST"}), "model:call", call, "gemini", prefix=True),
        Route(PREFIX, frozenset({"GET", "HEAD"}), "model:list", get_model, "gemini", prefix=True),
    )


def refuse_get_of_a_call(arrival: Arrival) -> None:
    """Raises `ProblemError` when a model is asked for by the path of one of its methods."""
    if arrival.rest.rpartition(":")[2] in _VERBS:
        message = f"`GET` is not allowed on `{arrival.scope['path'][:200]}`; use POST."
        raise ProblemError(Problem("method_not_allowed", message, headers=(("allow", "POST"),)))


def _target(arrival: Arrival) -> PathTarget:
    return target_of(arrival.rest, arrival.scope)


def target_of(rest: str, scope: Scope) -> PathTarget:
    """What is asked by `{model}:{verb}`, with the query's say. Raises `ProblemError` for no method."""
    model, colon, verb = rest.rpartition(":")
    target = _VERBS.get(verb)
    if not colon or not model or target is None:
        verbs = ", ".join(f"`:{name}`" for name in (*_VERBS, CREATE[1:]))
        raise ProblemError(
            Problem("not_found", f"`{rest[:120]}` is no method of a model; append one of {verbs}.")
        )
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    json_array = target.stream is True and query.get("alt", [""])[0] != "sse"
    return msgspec.structs.replace(target, model=model, json_array=json_array)


def _unknown(name: str) -> Problem:
    return Problem(
        "model_not_found",
        f"The model `{name[:120]}` does not exist here or is not for this key; "
        "list yours with GET /v1beta/models.",
    )
