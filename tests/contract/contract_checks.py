"""What must be true of an exchange, whichever SDK had it."""

from tests.contract.contract_heard import Heard, hear
from tests.contract.contract_said import (
    CALLED,
    MAX_TOKENS,
    QUESTION,
    STOPPED,
    SYSTEM,
    TOOL,
    TOOL_DESCRIPTION,
    TOOL_SCHEMA,
    WEATHER,
    Said,
    usage,
)
from tests.contract.contract_world import (
    CREDENTIALS,
    World,
    buckets,
    cost_nanos,
    model,
    true_model,
    upstream_model,
)
from tests.upstream import TEXT, Exchange
from tests.upstream_answers import PROOF, THOUGHT

RETURNED: dict[str, list[tuple[str, str]]] = {
    "openai_chat": [],  # has no field for thoughts of the past
    "openai_responses": [(THOUGHT, PROOF)],
    "anthropic": [(THOUGHT, PROOF)],
    "gemini": [("", PROOF)],  # the proof stands on the call; the words are not asked back
    "bedrock": [(THOUGHT, PROOF)],
}
"""Thoughts as their provider wants them back, whichever SDK carried them in between."""

UNCARRIED = {
    ("openai_responses", "openai_chat"),
    ("anthropic", "openai_chat"),
    ("gemini", "openai_chat"),
    ("openai_chat", "gemini"),
}
"""Where words of thought come back that their provider does not take: said to be dropped. Chat's providers
have no field for them, and a chat caller's plain words do not say that they are Gemini's own.
"""

THOUGHTS = {
    "openai_chat": "reasoning",
    "openai_responses": "reasoning",
    "anthropic": "thinking",
    "gemini": "thought",
}
"""What each dialect's callers call them."""


def check_words(world: World, client: str, provider: str, said: list[Said], *, stream: bool) -> None:
    """One answer in words."""
    (only,) = said
    (seen,) = world.seen()
    assert (only.text, only.calls, only.finish) == (TEXT, [], STOPPED[client])
    _check_answer(world, client, provider, only, model(provider), stream=stream)
    _check_asked(world, provider, seen, model(provider), tools=False)


def check_tools(
    world: World, client: str, provider: str, said: list[Said], *, stream: bool, behaviour: str = "plain"
) -> None:
    """Calls, their results, and the words that follow."""
    cities = ("Avignon", "Arles") if behaviour == "twice" else ("Avignon",)
    called, answered = said
    first, second = world.seen()
    asked = model(provider, behaviour)
    assert called.calls == [(TOOL, {"city": city}) for city in cities]
    assert (called.text, called.finish) == ("", CALLED[client])
    assert (answered.text, answered.calls, answered.finish) == (TEXT, [], STOPPED[client])
    lost = behaviour == "thinks" and (client, provider) in UNCARRIED
    _check_answer(world, client, provider, called, asked, stream=stream)
    dropped = THOUGHTS[client] if lost else None
    _check_answer(world, client, provider, answered, asked, stream=stream, dropped=dropped)
    assert _check_asked(world, provider, first, asked, tools=True).answered == []
    heard = _check_asked(world, provider, second, asked, tools=True)
    assert heard.answered == [(TOOL, {"city": city}, WEATHER[city]) for city in cities]
    if behaviour == "thinks":
        assert called.thought == THOUGHT
        assert heard.thoughts == RETURNED[provider]
    else:
        assert (called.thought, heard.thoughts) == ("", [])


def _check_answer(
    world: World,
    client: str,
    provider: str,
    said: Said,
    asked: str,
    *,
    stream: bool,
    dropped: str | None = None,
) -> None:
    """The true model, the usage as the client counts, and a receipt that agrees."""
    true, counts, cost = true_model(provider, asked), buckets(provider), cost_nanos(provider)
    assert said.models == {true}
    assert said.usage == usage(client, provider)
    for credential in CREDENTIALS.values():
        assert credential not in said.raw
    assert said.headers["x-passerelle-model"] == true
    assert said.headers.get("x-passerelle-dropped") == dropped
    receipt = world.receipt(said.headers["x-passerelle-receipt"])
    assert receipt["usage"] == counts
    assert receipt["cost_nanos"] == cost
    (attempt,) = receipt["attempts"]
    assert (attempt["usage"], attempt["cost_nanos"]) == (counts, cost)
    assert receipt["model"] == true
    assert (receipt["dialect"], receipt["outcome"]) == (client, "answered")
    assert receipt["stream"] is stream
    assert receipt.get("relayed", False) is (client == provider)
    if not stream:
        assert said.headers["x-passerelle-cost"] == f"{cost / 1e9:.6f} USD"


def _check_asked(world: World, provider: str, seen: Exchange, asked: str, *, tools: bool) -> Heard:
    """The provider got all of it in its own dialect, under its own credential, and nothing of ours."""
    heard = hear(provider, seen)
    assert heard.model == upstream_model(asked)
    assert (heard.system, heard.question, heard.max_tokens) == (SYSTEM, QUESTION, MAX_TOKENS)
    assert heard.tools == ({TOOL: (TOOL_DESCRIPTION, TOOL_SCHEMA)} if tools else {})
    told = f"{seen.headers}{seen.path}{seen.body}"
    assert world.token not in told
    assert CREDENTIALS[provider] in told
    assert sum(told.count(credential) for credential in CREDENTIALS.values()) == 1
    assert "passerelle" not in f"{seen.headers}".lower()
    return heard
