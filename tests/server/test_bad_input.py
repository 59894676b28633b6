"""Mistakes at the front door, each in every dialect: told in the caller's own words, and nothing happens.

Nothing reaches a provider, nothing is billed, no receipt is left, and no key or prompt stands in the log.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from tests.gateway.door import (
    DIALECTS,
    Answer,
    Asked,
    asked,
    content,
    error_type,
    names_field,
    read_error,
    status_of,
)
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, SECRET, Catalogue, Stage, short

from passerelle.core.request import Dialect

CANARY = "the-prompt-nobody-may-log"
LIMIT = 20_000
MODEL = "bridge"
HELD = "bridge-held"
"""A model the catalog knows which the caller's key may not use."""


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue([f"server.max_body_bytes = {LIMIT}", *Catalogue().lines])
    for dialect in DIALECTS:
        catalogue.provider(short(dialect), dialect, stage.url)
        catalogue.model(f"{MODEL}-{short(dialect)}", short(dialect))
    catalogue.model(HELD, "chat")
    with running(tmp_path_factory.mktemp("mistakes"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller(models=(f"{MODEL}-[cr]*", f"{MODEL}-gem"), requests_per_minute=None)


@pytest.fixture(scope="module")
def revoked(house: House) -> Caller:
    gone = house.caller("gone")
    house.revoke(gone)
    return gone


class Mistake(NamedTuple):
    """What is wrong, and what must be said about it."""

    name: str
    make: Callable[[Dialect, Asked], Asked]
    status: int
    field: str | None = None
    hint: str = ""
    """Words of the next step."""


def _body(data: bytes) -> Callable[[Dialect, Asked], Asked]:
    return lambda _, good: replace(good, body=data)


def _field(value: Any, *names: str) -> Callable[[Dialect, Asked], Asked]:
    """A field set to `value`; `names` in the order of `DIALECTS`, or one for all."""

    def make(dialect: Dialect, good: Asked) -> Asked:
        name = names[DIALECTS.index(dialect)] if len(names) > 1 else names[0]
        return replace(good, body=json.dumps({**json.loads(good.body), name: value}).encode())

    return make


def _without(*names: str) -> Callable[[Dialect, Asked], Asked]:
    def make(dialect: Dialect, good: Asked) -> Asked:
        body = json.loads(good.body)
        del body[names[DIALECTS.index(dialect)]]
        return replace(good, body=json.dumps(body).encode())

    return make


def _headers(**headers: str) -> Callable[[Dialect, Asked], Asked]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _, good: replace(good, headers=sent)


def _asking(model: str) -> Callable[[Dialect, Asked], Asked]:
    return lambda dialect, _: asked(dialect, model, text=CANARY)


def _elsewhere(dialect: Dialect, good: Asked) -> Asked:
    bases: dict[Dialect, str] = {
        "gemini": "/v1beta/nowhere",
        "anthropic": "/v1/messages/nowhere",
        "bedrock": "/model/m/nowhere",
    }
    base = bases.get(dialect, "/v1/nowhere")
    return replace(good, path=base)


CONTENT = ("messages", "input", "messages", "contents", "messages")
LENGTH = ("max_completion_tokens", "max_output_tokens", "max_tokens", "generationConfig", "inferenceConfig")
TOOLS = ("tools", "tools", "tools", "tools", "toolConfig")
UNKNOWN = ("bedrock", "unknown route")
"""Amazon tells an operation it does not know from a model it does not know."""
MISTAKES = (
    Mistake("no body", _body(b""), 400, hint="send"),
    Mistake("cut JSON", lambda _, good: replace(good, body=good.body[:-7]), 400, hint="send"),
    Mistake("JSON twice", lambda _, good: replace(good, body=good.body * 2), 400),
    Mistake("bad UTF-8",
            lambda _, good: replace(good, body=good.body.replace(b"the", b"\xff\xfe")), 400, hint="UTF-8"),
    Mistake("half a character",
            lambda _, good: replace(good, body=good.body.replace(b"the", b"\\ud800")), 400),
    Mistake("a list", _body(b"[]"), 400, hint="send"),
    Mistake("null", _body(b"null"), 400, hint="send"),
    Mistake("a number", _body(b"17"), 400, hint="send"),
    Mistake("nested too deeply", _body(b'{"a":' * 3_000 + b"1" + b"}" * 3_000), 400, hint="deeply"),
    Mistake("content of the wrong type", _field(17, *CONTENT), 400, field="content-of-dialect", hint="send"),
    Mistake("content of wrong items", _field([[1]], *CONTENT), 400, field="content-of-dialect", hint="send"),
    Mistake("no content", _without(*CONTENT), 400, field="content-of-dialect", hint="missing"),
    Mistake("tools of the wrong type", _field("all", *TOOLS), 400, field="tools-of-dialect", hint="send"),
    Mistake("length of the wrong type", _field("long", *LENGTH), 400, field="length-of-dialect", hint="send"),
    Mistake("too large", _asking("x" * LIMIT), 413, hint="server.max_body_bytes"),
    Mistake("compressed",
            _headers(content_encoding="gzip"), 400, field="content-encoding", hint="uncompressed"),
    Mistake("no such mode",
            _headers(x_passerelle_mode="best"), 400, field="x-passerelle-mode", hint="`cost`"),
    Mistake("no such class",
            _headers(x_passerelle_data_class="mine"), 400, field="x-passerelle-data-class", hint="`public`"),
    Mistake("no such flag",
            _headers(x_passerelle_strict="maybe"), 400, field="x-passerelle-strict", hint="`1`"),
    Mistake("too many models",
            _headers(x_passerelle_models="a," * 33), 400, field="x-passerelle-models", hint="fewer"),
    Mistake("unknown model", _asking(f"{MODEL}-claud"), 404, field="model", hint=f"`{MODEL}-claude`"),
    Mistake("forbidden model", _asking(HELD), 404, field="model", hint="did you mean"),
    Mistake("unknown route", _elsewhere, 404, hint="docs/api.md"),
    Mistake("wrong method", lambda _, good: replace(good, method="PUT"), 405, hint="POST"),
    Mistake("no key", _headers(authorization=""), 401, hint="passerelle keys create"),
    Mistake("not a key",
            _headers(authorization="Bearer sk-proj-0123456789"), 401, hint="passerelle keys create"),
    Mistake("another scheme", _headers(authorization="Basic cHNrOng="), 401, hint="Bearer"),
    Mistake("a key with a wrong secret",
            _headers(authorization="wrong secret"), 401, hint="passerelle keys create"),
    Mistake("revoked key", _headers(authorization="revoked"), 401, hint="ask for a new one"),
)  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_in_the_callers_dialect_and_nothing_happens(
    house: House, stage: Stage, caller: Caller, revoked: Caller, mistake: Mistake, dialect: Dialect
) -> None:
    before, calls = _books(house, caller), len(stage.requests)
    request = mistake.make(dialect, asked(dialect, f"{MODEL}-{short(dialect)}", text=CANARY))
    if mistake.name == "too large":
        request = asked(dialect, f"{MODEL}-{short(dialect)}", text=CANARY + "x" * LIMIT)
    tokens = {"revoked": revoked.token, "wrong secret": caller.token[:-20] + "A" * 20}
    said = request.headers.get("authorization")
    if said in tokens:
        request = replace(request, headers={"authorization": f"Bearer {tokens[said]}"})

    answer = _send(caller, request, replaced=said is not None)

    assert answer.status == status_of(dialect, mistake.status)
    error = read_error(dialect, answer)
    assert error.type == error_type(dialect, mistake.status) or (dialect, mistake.name) == UNKNOWN
    fields = {"content-of-dialect": CONTENT, "length-of-dialect": LENGTH, "tools-of-dialect": TOOLS}
    field = fields.get(mistake.field or "")
    name = field[DIALECTS.index(dialect)] if field else mistake.field
    if name is not None:
        assert names_field(dialect, error, name), error
    assert mistake.hint in error.message.replace("correct it", "send it"), error.message
    assert CANARY not in error.message
    assert "x-passerelle-receipt" not in answer.headers
    assert len(stage.requests) == calls
    assert _books(house, caller) == before
    assert mistake.status != 405 or "POST" in answer.headers["allow"]


def test_max_tokens_is_demanded_where_the_dialect_does(house: House, caller: Caller, stage: Stage) -> None:
    calls = len(stage.requests)
    body = content("anthropic", f"{MODEL}-claude")
    del body["max_tokens"]

    answer = caller.door.send(Asked("/v1/messages", json.dumps(body).encode()))

    assert answer.status == 400
    assert "`max_tokens` is missing; add it" in read_error("anthropic", answer).message
    assert len(stage.requests) == calls


@pytest.mark.parametrize("dialect", DIALECTS)
def test_fields_a_relay_does_not_read_are_checked_when_translating(
    caller: Caller, stage: Stage, dialect: Dialect
) -> None:
    other = "claude" if dialect != "anthropic" else "chat"
    name = {"gemini": "generationConfig", "bedrock": "inferenceConfig"}.get(dialect, "temperature")
    value: Any = {"temperature": "hot"} if name != "temperature" else "hot"
    calls = len(stage.requests)

    answer = caller.door.send(asked(dialect, f"{MODEL}-{other}", **{name: value}))

    assert answer.status == 400
    assert names_field(dialect, read_error(dialect, answer), "temperature")
    assert len(stage.requests) == calls


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_schema_nested_too_deeply_is_refused_when_translating(caller: Caller, dialect: Dialect) -> None:
    tool = {
        "openai_chat": {"type": "function", "function": {"name": "t", "parameters": "DEEP"}},
        "openai_responses": {"type": "function", "name": "t", "parameters": "DEEP", "strict": False},
        "anthropic": {"name": "t", "input_schema": "DEEP"},
        "gemini": {"functionDeclarations": [{"name": "t", "parametersJsonSchema": "DEEP"}]},
        "bedrock": {"toolSpec": {"name": "t", "inputSchema": {"json": "DEEP"}}},
    }[dialect]
    deep = b'{"properties":' * 800 + b"{}" + b"}" * 800

    for other in DIALECTS:
        offered: dict[str, Any] = {"tools": [tool]}
        if dialect == "bedrock":
            offered = {"toolConfig": offered}
        request = asked(dialect, f"{MODEL}-{short(other)}", **offered)
        answer = caller.door.send(replace(request, body=request.body.replace(b'"DEEP"', deep)))
        assert answer.status in (200, 400), (other, answer.body)


def test_nothing_secret_was_logged(house: House, caller: Caller, revoked: Caller) -> None:
    log = "".join(house.gateway.log)

    assert caller.token not in log
    assert revoked.token not in log
    assert caller.token.rpartition("_")[2] not in log
    assert "sk-proj-0123456789" not in log
    assert CANARY not in log
    assert SECRET not in log
    assert not house.lines("unexpected failure")


def _send(caller: Caller, request: Asked, *, replaced: bool) -> Answer:
    door = caller.door
    if replaced and not request.headers["authorization"]:
        request = replace(request, headers={})
    if replaced:
        door = type(door)(f"http://{door.host}:{door.port}")
    return door.send(request)


def _books(house: House, caller: Caller) -> tuple[int, ...]:
    house.booked(caller)
    names = ("intent", "ledger", "outcome", "signing_batch", "hold")
    return tuple(house.rows(f"select count(*) from {name}")[0][0] for name in names)
