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
    USAGE,
    WEATHER,
    Said,
)
from tests.contract.contract_world import BUCKETS, COST_NANOS, CREDENTIALS, World, model, true_model
from tests.upstream import TEXT, Exchange


def check_words(world: World, client: str, provider: str, said: list[Said], *, stream: bool) -> None:
    """One answer in words."""
    (only,) = said
    (seen,) = world.seen()
    assert (only.text, only.calls, only.finish) == (TEXT, [], STOPPED[client])
    _check_answer(world, client, provider, only, stream=stream)
    _check_asked(world, provider, seen, model(provider), tools=False)


def check_tools(
    world: World, client: str, provider: str, said: list[Said], *, stream: bool, cities: tuple[str, ...]
) -> None:
    """Calls, their results, and the words that follow."""
    called, answered = said
    first, second = world.seen()
    asked = model(provider, "plain" if len(cities) == 1 else "twice")
    assert called.calls == [(TOOL, {"city": city}) for city in cities]
    assert (called.text, called.finish) == ("", CALLED[client])
    assert (answered.text, answered.calls, answered.finish) == (TEXT, [], STOPPED[client])
    for one in said:
        _check_answer(world, client, provider, one, stream=stream)
    assert _check_asked(world, provider, first, asked, tools=True).answered == []
    heard = _check_asked(world, provider, second, asked, tools=True)
    assert heard.answered == [(TOOL, {"city": city}, WEATHER[city]) for city in cities]


def _check_answer(world: World, client: str, provider: str, said: Said, *, stream: bool) -> None:
    """The true model, the usage as the client counts, and a receipt that agrees."""
    assert said.models == {true_model(provider)}
    assert said.usage == USAGE[client]
    for credential in CREDENTIALS.values():
        assert credential not in said.raw
    assert said.headers["x-passerelle-model"] == true_model(provider)
    assert said.headers.get("x-passerelle-dropped") is None
    receipt = world.receipt(said.headers["x-passerelle-receipt"])
    assert receipt["usage"] == BUCKETS
    assert receipt["cost_nanos"] == COST_NANOS
    (attempt,) = receipt["attempts"]
    assert (attempt["usage"], attempt["cost_nanos"]) == (BUCKETS, COST_NANOS)
    assert receipt["model"] == true_model(provider)
    assert (receipt["dialect"], receipt["outcome"]) == (client, "answered")
    assert receipt["stream"] is stream
    assert receipt.get("relayed", False) is (client == provider)
    if not stream:
        assert said.headers["x-passerelle-cost"] == f"{COST_NANOS / 1e9:.6f} USD"


def _check_asked(world: World, provider: str, seen: Exchange, asked: str, *, tools: bool) -> Heard:
    """The provider got all of it in its own dialect, under its own credential, and nothing of ours."""
    heard = hear(provider, seen)
    assert heard.model == f"up-{asked}"
    assert (heard.system, heard.question, heard.max_tokens) == (SYSTEM, QUESTION, MAX_TOKENS)
    assert heard.tools == ({TOOL: (TOOL_DESCRIPTION, TOOL_SCHEMA)} if tools else {})
    told = f"{seen.headers}{seen.path}{seen.body}"
    assert world.token not in told
    assert CREDENTIALS[provider] in told
    assert sum(told.count(credential) for credential in CREDENTIALS.values()) == 1
    assert "passerelle" not in f"{seen.headers}".lower()
    return heard
