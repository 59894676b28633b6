"""Anthropic's routes: messages and count_tokens. (`/v1/models` is shared: see `openai`.)"""

from passerelle.codecs.base import PathTarget
from passerelle.server.call import ModelCalls, fixed
from passerelle.server.route import Route

_POST = frozenset({"POST"})


def routes(calls: ModelCalls) -> tuple[Route, ...]:
    """Everything under `/v1/messages`."""
    messages = calls.handler("anthropic", fixed(PathTarget("chat")))
    count_tokens = calls.handler("anthropic", fixed(PathTarget("count_tokens")))
    return (
        Route("/v1/messages", _POST, "model:call", messages, "anthropic", takes_place=True),
        Route("/v1/messages/count_tokens", _POST, "model:call", count_tokens, "anthropic", takes_place=True),
    )
