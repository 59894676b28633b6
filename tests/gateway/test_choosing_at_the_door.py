"""A choice left to the gateway, at the door: aliases, modes and defaults, subsets, conversations that stay
where they are, and the record that says why.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.door import DIALECTS, Answer, Asked, asked, error_type, names_field, read_error, status_of
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.core.request import Dialect

MODELS = {
    # quality, price in and out per million tokens
    "grand": (0.90, 15, 75),
    "good": (0.89, 3, 15),
    "fair": (0.86, 1, 4),
    "plain": (0.60, 0.1, 0.4),
}
FOUR: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue(
        [
            *Catalogue().lines,
            "[router.aliases.helper]",
            'mode = "cost"',
            'models = ["good", "plain", "fair"]',
            "[router.aliases.careful]",
            'mode = "quality"',
            'default_model = "fair"',
            "[router.organisations.acme]",
            'mode = "fast"',
            "[router.organisations.bank]",
            'mode = "quality"',
            'default_model = "good"',
            "[router.organisations.bank.aliases.teller]",
            'models = ["plain"]',
            "[router.organisations.bank.aliases.helper]",
            'models = ["grand"]',
        ]
    )
    catalogue.provider("chat", "openai_chat", stage.url)
    for name, (quality, price_in, price_out) in MODELS.items():
        price = f"{{ input = {price_in}, output = {price_out}, cache_read = {price_in / 10} }}"
        catalogue.model(name, "chat", price=price, more=(f"quality = {quality}", f'family = "{name[0]}"'))
    with running(tmp_path_factory.mktemp("choosing"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller(org="plain-org")


@pytest.fixture(scope="module")
def banker(house: House) -> Caller:
    return house.caller(org="bank")


def place(answer: Any) -> str:
    """The model that answered, by our name."""
    name: str = answer.headers["x-passerelle-deployment"]
    return name.removeprefix("chat/").removesuffix(".chat")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_alias_is_a_choice_among_its_models_in_its_mode(
    house: House, caller: Caller, dialect: Dialect
) -> None:
    answer = caller.door.send(asked(dialect, "helper"))

    assert answer.status == 200, answer.body
    assert place(answer) == "fair"
    plan = house.receipt(caller, answer)["plan"]
    assert plan["requested"] == "helper"
    assert plan["mode"] == "cost"
    assert {c["model"] for c in plan["candidates"]} == {"good", "plain", "fair"}


def test_the_nearest_word_on_the_mode_counts(house: House, caller: Caller, banker: Caller) -> None:
    ask = asked("openai_chat", "smart")
    of_a_key = house.caller(org="bank", mode="cost")

    assert house.receipt(caller, caller.door.send(ask))["plan"]["mode"] == "balanced"
    assert house.receipt(banker, banker.door.send(ask))["plan"]["mode"] == "quality"
    assert house.receipt(of_a_key, of_a_key.door.send(ask))["plan"]["mode"] == "cost"
    said = of_a_key.door.send(ask, x_passerelle_mode="fast")
    assert house.receipt(of_a_key, said)["plan"]["mode"] == "fast"


def test_the_default_is_first_where_nothing_is_known(house: House, caller: Caller, banker: Caller) -> None:
    assert place(banker.door.send(asked("openai_chat", "smart"))) == "good"
    assert place(caller.door.send(asked("openai_chat", "careful"))) == "fair"
    answer = banker.door.send(asked("openai_chat", "smart"), x_passerelle_models="grand,plain")
    assert place(answer) == "grand"


def test_an_organisations_aliases_are_its_own(house: House, caller: Caller, banker: Caller) -> None:
    assert place(banker.door.send(asked("openai_chat", "teller"))) == "plain"
    assert place(banker.door.send(asked("openai_chat", "helper"))) == "grand"
    assert caller.door.send(asked("openai_chat", "teller")).status == 404
    ours = {m["id"] for m in caller.door.get("/v1/models").json["data"]}
    theirs = {m["id"] for m in banker.door.get("/v1/models").json["data"]}
    assert {"smart", "helper", "careful"} <= ours
    assert "teller" not in ours
    assert "teller" in theirs
    assert banker.door.get("/v1/models/teller").status == 200
    assert caller.door.get("/v1/models/teller").status == 404


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("said", ["no-such-model", "fair,no-such-*"])
def test_a_subset_of_unknown_names_is_refused_and_named(caller: Caller, dialect: Dialect, said: str) -> None:
    answer = caller.door.send(asked(dialect, "smart"), x_passerelle_models=said)

    assert answer.status == status_of(dialect, 400)
    error = read_error(dialect, answer)
    assert error.type == error_type(dialect, 400)
    assert names_field(dialect, error, "x-passerelle-models")
    assert "no-such" in error.message


def test_what_a_key_may_not_know_of_is_unknown_to_its_subset(house: House) -> None:
    confined = house.caller(org="plain-org", models=("fair", "plain"))

    hidden = confined.door.send(asked("openai_chat", "smart"), x_passerelle_models="grand")
    absent = confined.door.send(asked("openai_chat", "smart"), x_passerelle_models="nobody")
    assert hidden.status == absent.status == 400
    assert hidden.json["error"]["message"].replace("grand", "nobody") == absent.json["error"]["message"]
    allowed = confined.door.send(asked("openai_chat", "smart"), x_passerelle_models="fair")
    assert place(allowed) == "fair"


def test_a_subset_never_widens(caller: Caller) -> None:
    """The alias's own list and the request's both hold."""
    answer = caller.door.send(asked("openai_chat", "helper"), x_passerelle_models="grand,plain")
    assert place(answer) == "plain"
    nobody = caller.door.send(asked("openai_chat", "helper"), x_passerelle_models="grand")
    assert nobody.status == 403


# --- conversations


def turns(dialect: Dialect, model: str, number: int, opening: str) -> Asked:
    """The `number`th request of a conversation that began with `opening`."""
    said = [("user", f"{opening} Tell me."), *[("assistant", "Well."), ("user", "And then?")] * (number - 1)]
    system = "You know all bridges. " * 400
    if dialect == "gemini":
        roles = {"user": "user", "assistant": "model"}
        contents = [{"role": roles[r], "parts": [{"text": t}]} for r, t in said]
        body: dict[str, Any] = {"contents": contents, "systemInstruction": {"parts": [{"text": system}]}}
        return Asked(f"/v1beta/models/{model}:generateContent", json.dumps(body).encode())
    messages = [{"role": r, "content": t} for r, t in said]
    base = asked(dialect, model)
    body = json.loads(base.body)
    if dialect == "anthropic":
        body |= {"messages": messages, "system": system}
    elif dialect == "openai_chat":
        body["messages"] = [{"role": "system", "content": system}, *messages]
    else:
        body |= {"input": messages, "instructions": system}
    return Asked(base.path, json.dumps(body).encode())


@pytest.mark.parametrize("dialect", FOUR)
def test_a_conversation_stays_where_it_is_without_being_named(
    house: House, caller: Caller, dialect: Dialect
) -> None:
    opening = f"A {dialect} talk."
    first = caller.door.send(turns(dialect, "smart", 1, opening), x_passerelle_models="grand")
    second = caller.door.send(turns(dialect, "smart", 2, opening), x_passerelle_affinity="sticky")
    other = caller.door.send(
        turns(dialect, "smart", 2, f"Another {dialect} talk."), x_passerelle_affinity="sticky"
    )

    assert place(first) == place(second) == "grand"
    assert place(other) == "good"
    choice = house.receipt(caller, second)["plan"]["choice"]
    assert choice["stay"] == "chat/grand.chat"
    assert choice["affinity"] == "sticky"
    assert "stay" not in house.receipt(caller, other)["plan"]["choice"]


@pytest.mark.parametrize(
    "header",
    ["x-passerelle-session", "x-claude-code-session-id", "x-session-id", "session-id", "x-session-affinity"],
)
def test_a_named_conversation_is_known_by_its_name(caller: Caller, header: str) -> None:
    """Its opening may have been rewritten: clients compact what has become too long."""
    named = {header.replace("-", "_"): f"talk-of-{header}"}
    ask = asked("openai_chat", "smart", text="One thing")
    caller.door.send(ask, x_passerelle_models="plain", **named)

    later = asked("openai_chat", "smart", text="Quite another")
    assert place(caller.door.send(later, x_passerelle_affinity="sticky", **named)) == "plain"
    assert place(caller.door.send(later, x_passerelle_affinity="none", **named)) == "good"


def test_a_conversation_of_one_tenant_is_none_of_another(house: House, caller: Caller) -> None:
    other = house.caller(org="third")
    ask = asked("openai_chat", "smart", text="Shared words")
    caller.door.send(ask, x_passerelle_models="plain", x_passerelle_session="s-1")

    answer = other.door.send(ask, x_passerelle_affinity="sticky", x_passerelle_session="s-1")
    assert place(answer) == "good"
    assert "stay" not in house.receipt(other, answer)["plan"]["choice"]


def test_adaptive_stays_for_the_cache_and_leaves_for_a_clear_saving(house: House, caller: Caller) -> None:
    """`good` and `grand` are as good in `balanced`; `good` asks a fifth, with or without a cache."""
    opening = "An adaptive talk."
    caller.door.send(turns("openai_chat", "smart", 1, opening), x_passerelle_models="grand")
    second = caller.door.send(turns("openai_chat", "smart", 2, opening))

    plan = house.receipt(caller, second)["plan"]
    assert place(second) == "good"
    assert plan["choice"]["moved"].endswith("less a turn")
    grand = next(c for c in plan["candidates"] if c["model"] == "grand")
    assert grand["cached_tokens"] > 1_000
    assert "has the conversation" in grand["because"]
    third = caller.door.send(turns("openai_chat", "smart", 3, opening))
    assert place(third) == "good"


def test_an_affinity_that_means_nothing_is_refused(caller: Caller) -> None:
    answer = caller.door.send(asked("openai_chat", "smart"), x_passerelle_affinity="always")
    assert answer.status == 400
    assert answer.json["error"]["param"] == "x-passerelle-affinity"


# --- the record


def test_the_receipt_keeps_all_that_the_order_rests_on(house: House, caller: Caller) -> None:
    answer = caller.door.send(asked("openai_chat", "smart", max_tokens=64), x_passerelle_task="chat")
    receipt = house.receipt(caller, answer)

    choice = receipt["plan"]["choice"]
    assert choice["router_version"] == "prior"
    assert choice["task"] == "chat"
    first = receipt["plan"]["candidates"][0]
    assert first["low"] < first["quality"] < first["high"]
    assert first["propensity"] == 1.0
    assert first["output_tokens"] <= 64
    assert first["utility"] == pytest.approx(first["quality"] * 100)
    assert [c["propensity"] for c in receipt["plan"]["candidates"][1:]] == [0.0] * 3
    shown = caller.door.get(f"/api/receipts/{answer.receipt}").json
    assert "nothing is learned yet" in shown["words"]


def test_a_named_models_plan_says_nothing_of_a_choice(house: House, caller: Caller) -> None:
    plan = house.receipt(caller, caller.door.send(asked("openai_chat", "fair")))["plan"]
    assert "choice" not in plan
    assert set(plan["candidates"][0]) <= {"deployment", "model", "score", "quality", "because"}


PREVIEWS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/smart:generateContent",
    "bedrock": "/model/smart/converse",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_preview_says_what_the_header_says_and_what_is_then_done(
    house: House, stage: Stage, caller: Caller, dialect: Dialect
) -> None:
    ask = asked(dialect, "smart")
    before = len(stage.requests)
    body = {
        "path": PREVIEWS[dialect],
        "body": json.loads(ask.body),
        "headers": {"x-passerelle-mode": "cost"},
    }

    def alike() -> Answer | None:
        preview = caller.door.send(Asked("/api/plan", json.dumps(body).encode()))
        told = caller.door.send(ask, x_passerelle_plan="1", x_passerelle_mode="cost")
        assert preview.status == told.status == 200, preview.body
        return preview if preview.json["plan"] == told.json["plan"] else None

    preview = until(alike, "both are of the same measure")  # latencies are taken over once a second

    assert len(stage.requests) == before
    assert preview.json["words"]
    done = house.receipt(caller, caller.door.send(ask, x_passerelle_mode="cost"))["plan"]
    assert done["candidates"][0]["deployment"] == preview.json["plan"]["candidates"][0]["deployment"]


def test_a_preview_of_what_nobody_may_serve_names_every_rule(caller: Caller) -> None:
    body = {
        "body": {"model": "helper", "messages": [{"role": "user", "content": "?"}]},
        "headers": {"x-passerelle-models": "grand"},
    }
    preview = caller.door.send(Asked("/api/plan", json.dumps(body).encode()))

    assert preview.status == 200, preview.body
    assert preview.json["plan"]["candidates"] == []
    assert {r["rule"] for r in preview.json["plan"]["rejections"]} == {"request.models"}
    assert preview.json["problem"]["status"] == 403


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", None),
        (b"[", None),
        (b'{"path": "/v1/nothing", "body": {}}', "path"),
        (b'{"body": {}, "headers": {"x-passerelle-mood": "good"}}', "headers"),
        (b'{"body": {"model": "smart"}}', "messages"),
    ],
)
def test_a_preview_of_no_request_says_what_is_wrong(caller: Caller, body: bytes, param: str | None) -> None:
    answer = caller.door.send(Asked("/api/plan", body))
    assert answer.status == 400, answer.body
    if param is not None:
        assert answer.json["error"]["param"] == param


def test_a_preview_changes_nothing(house: House, caller: Caller) -> None:
    body = {"body": json.loads(asked("openai_chat", "smart", text="Look twice").body)}
    ask = Asked("/api/plan", json.dumps(body).encode())
    one, two = caller.door.send(ask).json, caller.door.send(ask).json
    assert one["plan"] == two["plan"]


def test_what_is_committed_is_used_first(stage: Stage, tmp_path: Path) -> None:
    catalogue = Catalogue()
    catalogue.provider("paid", "openai_chat", stage.url)
    catalogue.provider("spot", "openai_chat", stage.url)
    for name, price in (("paid", 9), ("spot", 1)):
        said = f"{{ input = {price}, output = {price} }}"
        catalogue.model(name, name, price=said, more=("quality = 0.8",))
    catalogue.lines += ["[[commitments]]", 'provider = "paid"', "amount = 20000"]
    with running(tmp_path, catalogue.text, **ENV) as house:
        caller = house.caller()
        ask = asked("openai_chat", "smart")
        caller.door.send(ask)  # the ledger is looked at from the first choice on

        found = until(
            lambda: (a := caller.door.send(ask)).headers["x-passerelle-deployment"].startswith("paid") and a,
            "the commitment is known",
        )
        first = house.receipt(caller, found)["plan"]["candidates"][0]
        assert first["weighed_nanos"] == 0
        assert first["cost_nanos"] > 0
        assert "not committed yet" in first["because"]
