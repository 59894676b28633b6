"""OpenAI's routes: chat completions, embeddings, pictures, sound; and the model list of every dialect.

Responses themselves are in `responses`, with what is kept of them.
"""

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.codecs.openai_chat import mistral
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.request import Operation
from passerelle.server.answer import send_whole
from passerelle.server.call import Before, ModelCalls, TargetOf, fixed, form
from passerelle.server.models import (
    Listing,
    ModelList,
    anthropic_list,
    anthropic_model,
    gemini_list,
    gemini_model,
)
from passerelle.server.route import Arrival, Route
from passerelle.server.v1.gemini import refuse_get_of_a_call

_POST = frozenset({"POST"})
_GET = frozenset({"GET", "HEAD"})
_UNKNOWN_CONTEXT = 32768  # what Mistral's SDK takes an entry without the figure to hold


def routes(calls: ModelCalls, models: ModelList, recall: Before) -> tuple[Route, ...]:
    """Everything under `/v1` that OpenAI's SDKs call, but for what is kept."""

    async def list_models(arrival: Arrival) -> None:
        listings = models.visible(arrival.caller)
        if b"anthropic-version" in arrival.headers:
            body = anthropic_list(listings, arrival.scope.get("query_string", b""))
        elif b"x-goog-api-key" in arrival.headers:
            body = gemini_list(listings)
        else:
            shape = _mistral_model if _is_mistral(arrival) else _model
            body = msgspec.json.encode({"object": "list", "data": [shape(m) for m in listings]})
        await send_whole(arrival, 200, body, [])

    async def get_model(arrival: Arrival) -> None:
        found = models.find(arrival.caller, arrival.rest)
        if found is None:
            refuse_get_of_a_call(arrival)
            raise ProblemError(_unknown(arrival.rest))
        shape = _mistral_model if _is_mistral(arrival) else _model
        if b"anthropic-version" in arrival.headers:
            shape = anthropic_model
        elif b"x-goog-api-key" in arrival.headers:
            shape = gemini_model
        await send_whole(arrival, 200, msgspec.json.encode(shape(found)), [])

    chat = calls.handler("openai_chat", _spoken("chat"))
    input_tokens = calls.handler("openai_responses", fixed(PathTarget("count_tokens", stream=False)), recall)
    embeddings = calls.handler("openai_chat", _spoken("embed"))
    moderations = calls.handler("openai_chat", fixed(PathTarget("moderate")))
    speech = calls.handler("openai_chat", fixed(PathTarget("speak")))
    transcribe = calls.handler("openai_chat", form(PathTarget("transcribe")))
    translate = calls.handler("openai_chat", form(PathTarget("translate")))
    make_image = calls.handler("openai_chat", fixed(PathTarget("generate_image")))
    edit_image = calls.handler("openai_chat", form(PathTarget("edit_image")))
    rerank = calls.handler("openai_chat", fixed(PathTarget("rerank")))
    return (
        Route("/v1/chat/completions", _POST, "model:call", chat, "openai_chat", takes_place=True),
        Route(
            "/v1/responses/input_tokens",
            _POST,
            "model:call",
            input_tokens,
            "openai_responses",
            takes_place=True,
        ),
        Route("/v1/embeddings", _POST, "model:call", embeddings, "openai_chat", takes_place=True),
        Route("/v1/images/generations", _POST, "model:call", make_image, "openai_chat", takes_place=True),
        Route("/v1/images/edits", _POST, "model:call", edit_image, "openai_chat", takes_place=True),
        Route("/v1/audio/speech", _POST, "model:call", speech, "openai_chat", takes_place=True),
        Route("/v1/audio/transcriptions", _POST, "model:call", transcribe, "openai_chat", takes_place=True),
        Route("/v1/audio/translations", _POST, "model:call", translate, "openai_chat", takes_place=True),
        Route("/v1/moderations", _POST, "model:call", moderations, "openai_chat", takes_place=True),
        Route("/v1/rerank", _POST, "model:call", rerank, "openai_chat", takes_place=True),
        Route("/v2/rerank", _POST, "model:call", rerank, "openai_chat", takes_place=True),
        Route("/v1/models", _GET, "model:list", list_models),
        Route("/v1/models/", _GET, "model:list", get_model, prefix=True),
    )


def _is_mistral(arrival: Arrival) -> bool:
    return arrival.headers.get(b"user-agent", b"").startswith(mistral.AGENT)


def _spoken(operation: Operation) -> TargetOf:
    """The target of a path that two makers' SDKs share."""
    common, mistrals = PathTarget(operation), PathTarget(operation, speaker="mistral")
    return lambda arrival: mistrals if _is_mistral(arrival) else common


def _mistral_model(listing: Listing) -> dict[str, object]:
    """Mistral's SDK tells kinds of entries apart by `type`, and wants to know what each can do."""
    return {
        **_model(listing),
        "type": mistral.MODEL_TYPE,
        "capabilities": {"completion_chat": not listing.embeds},
        "max_context_length": listing.context_tokens or _UNKNOWN_CONTEXT,
    }


def _model(listing: Listing) -> dict[str, object]:
    return {
        "id": listing.id,
        "object": "model",
        "created": listing.created_s,
        "owned_by": listing.maker,
        "type": "model",
    }


def _unknown(name: str) -> Problem:
    return Problem(
        "model_not_found",
        f"The model `{name[:120]}` does not exist here or is not for this key; "
        "list yours with GET /v1/models.",
        param="model",
        code="model_not_found",
    )
