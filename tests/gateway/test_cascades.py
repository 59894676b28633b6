"""A cascade at the door: the cheap model's answer is held back and checked, the better model asked where it
does not hold; both are booked, and the caller, the plan and the receipt are told.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.faultd import LAST_CHUNK, Close, Send, answer, chunk, chunked_head
from tests.gateway.door import (
    DIALECTS,
    Answer,
    Asked,
    content,
    error_type,
    names_field,
    path_of,
    read_error,
    read_stream,
    status_of,
    text_of,
)
from tests.gateway.duos import Theatre
from tests.gateway.faulty import cut_after, failing
from tests.gateway.house import Caller, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, short, stream_bytes, whole_body
from tests.upstream_answers import JSON_TEXT, PIECES, TEXT
from tests.upstream_bedrock import frame as bedrock_frame

from passerelle.core.request import Dialect

FOUR: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")
SCHEMA = {
    "type": "object",
    "properties": {"river": {"type": "string"}, "arches": {"type": "integer"}},
    "required": ["river", "arches"],
    "additionalProperties": False,
}
FORMATS: dict[Dialect, dict[str, Any]] = {
    "openai_chat": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "bridge", "schema": SCHEMA}}
    },
    "openai_responses": {"text": {"format": {"type": "json_schema", "name": "bridge", "schema": SCHEMA}}},
    "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "gemini": {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
}


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    lines = [*Catalogue().lines, "[router.tests.bridge]", 'contains = ["arches"]', "not_a_refusal = true"]
    for dialect in DIALECTS:
        lines += [f"[router.aliases.{short(dialect)}]", f'models = ["*-{short(dialect)}"]']
    lines += ["[router.aliases.checked]", 'models = ["*-chat"]', 'cascade = "tests:bridge"']
    lines += ["[router.organisations.bank]", 'cascade = "tests:vault"']
    lines += ["[router.organisations.bank.tests.vault]", 'pattern = "four|five"']
    catalogue = Catalogue(lines)
    for dialect in DIALECTS:
        name = short(dialect)
        catalogue.provider(name, dialect, stage.url)
        for model, quality, price in (("cheap", 0.75, 0.1), ("mid", 0.8, 2.9), ("grand", 0.92, 3)):
            more = (
                f"quality = {quality}",
                'capabilities = ["tools", "json", "json_schema", "streaming"]',
            )
            catalogue.model(
                f"{model}-{name}", name, price=f"{{ input = {price}, output = {price * 5} }}", more=more
            )
    with running(tmp_path_factory.mktemp("cascades"), catalogue.text, **ENV) as house:
        play = Theatre(house, stage, house.caller(budget_nanos=10**15, cascade=True), 0)
        yield play
        play.balanced()


@pytest.fixture(autouse=True)
def _fresh(play: Theatre) -> None:
    play.stage.requests.clear()


def ask(
    play: Theatre,
    dialect: Dialect,
    alias: str | None = None,
    *,
    stream: bool = False,
    body: Mapping[str, Any] = {},
    by: Caller | None = None,
    **headers: str,
) -> Answer:
    name = alias or short(dialect)
    sent = json.dumps({**content(dialect, name, stream=stream), **body}).encode()
    door = (by or play.caller).door
    return door.send(Asked(path_of(dialect, name, stream=stream), sent), **headers)


def words_of(dialect: Dialect, said: Answer, *, stream: bool) -> str:
    return read_stream(dialect, said.body).text if stream else text_of(dialect, said)


def at(dialect: Dialect, model: str) -> str:
    return f"{short(dialect)}/{model}-{short(dialect)}.{short(dialect)}"


def upstream(dialect: Dialect, model: str) -> str:
    return f"{model}-{short(dialect)}.{short(dialect)}"


def plain(play: Theatre, dialect: Dialect, model: str, *, stream: bool) -> None:
    """Have the model's next answer be words, whatever it is asked for."""
    body = stream_bytes(dialect) if stream else answer(whole_body(dialect))
    play.stage.script(upstream(dialect, model), Send(body))


def saying(dialect: Dialect, words: str, *, stream: bool = False) -> Send:
    """An answer of those words."""
    if not stream:
        return Send(answer(whole_body(dialect).replace(TEXT.encode(), words.encode())))
    said = frames(dialect)
    if dialect == "bedrock":
        said[1] = bedrock_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": words}})
    return Send(_chunks([f.replace(PIECES[0].encode(), words.encode()) for f in said]))


def _chunks(said: list[bytes]) -> bytes:
    return chunked_head() + b"".join(chunk(one) for one in said) + LAST_CHUNK


@pytest.mark.parametrize(("dialect", "stream"), [(dialect, n in (1, 2)) for n, dialect in enumerate(FOUR)])
def test_an_answer_that_meets_the_schema_is_the_answer(
    play: Theatre, dialect: Dialect, *, stream: bool
) -> None:
    said = ask(play, dialect, stream=stream, x_passerelle_cascade="schema", body=FORMATS[dialect])

    assert said.status == 200, said.body
    assert words_of(dialect, said, stream=stream) == JSON_TEXT
    assert said.headers["x-passerelle-cascaded"] == "accepted"
    assert said.headers["x-passerelle-deployment"] == at(dialect, "cheap")
    receipt = play.receipt(said)
    assert [a["step"] for a in receipt["attempts"]] == ["first"]
    assert receipt["cascade"] == {"end": "accepted", "why": "the answer meets the request's schema"}
    assert play.stage.seen(upstream(dialect, "grand")) == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", FOUR)
def test_an_answer_that_does_not_is_never_seen_and_both_are_billed(
    play: Theatre, dialect: Dialect, *, stream: bool
) -> None:
    plain(play, dialect, "cheap", stream=stream)

    said = ask(play, dialect, stream=stream, x_passerelle_cascade="schema", body=FORMATS[dialect])

    assert said.status == 200, said.body
    assert words_of(dialect, said, stream=stream) == JSON_TEXT
    assert TEXT.encode() not in said.body
    assert said.headers["x-passerelle-cascaded"] == "escalated"
    assert said.headers["x-passerelle-attempts"] == "2"
    assert said.headers["x-passerelle-deployment"] == at(dialect, "grand")
    receipt = play.receipt(said)
    first, then = receipt["attempts"]
    assert (first["deployment"], then["deployment"]) == (at(dialect, "cheap"), at(dialect, "grand"))
    assert (first["step"], then["step"], first["ok"], then["ok"]) == ("first", "escalated", True, True)
    assert 0 < first["cost_nanos"] < then["cost_nanos"]
    assert receipt["cascade"] == {
        "end": "escalated",
        "why": "the answer is no JSON",
        "escalated_holds": True,
    }
    cascade = receipt["plan"]["cascade"]
    assert (cascade["first"], cascade["then"]) == (first["deployment"], then["deployment"])
    assert receipt["delivery"] == ("verified" if stream else receipt.get("delivery", "verified"))


@pytest.mark.parametrize(("dialect", "stream"), [("openai_responses", True), ("bedrock", False)])
def test_agreement_asks_the_cheap_model_twice_and_bills_both(
    play: Theatre, dialect: Dialect, *, stream: bool
) -> None:
    said = ask(play, dialect, stream=stream, x_passerelle_cascade="agreement")

    assert said.headers["x-passerelle-cascaded"] == "accepted", said.body
    receipt = play.receipt(said)
    assert [a["step"] for a in receipt["attempts"]] == ["first", "again"]
    assert {a["deployment"] for a in receipt["attempts"]} == {at(dialect, "cheap")}
    assert receipt["cascade"]["why"] == "2 answers of the same model agree: 100% of a few words"
    assert receipt["plan"]["cascade"]["samples"] == 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_model_that_contradicts_itself_is_not_believed(play: Theatre, dialect: Dialect) -> None:
    other = "Nobody knows how many there ever were, and none of them is left."
    play.stage.script(upstream(dialect, "cheap"), saying(dialect, other))

    said = ask(play, dialect, x_passerelle_cascade="agreement")

    assert said.headers["x-passerelle-cascaded"] == "escalated", said.body
    assert text_of(dialect, said) == TEXT
    receipt = play.receipt(said)
    assert [a["step"] for a in receipt["attempts"]] == ["first", "again", "escalated"]
    assert other not in json.dumps(receipt)


@pytest.mark.parametrize(
    ("dialect", "stream"),
    [*((dialect, True) for dialect in DIALECTS), ("anthropic", False), ("bedrock", False)],
)
def test_when_nobody_better_answers_the_first_answer_is_delivered_and_said_to_be_kept(
    play: Theatre, dialect: Dialect, *, stream: bool
) -> None:
    words = "I'm sorry, but I "
    play.stage.script(upstream(dialect, "cheap"), saying(dialect, words, stream=stream))
    if stream:
        play.stage.script(upstream(dialect, "grand"), *cut_after(dialect, 2, Close()))
    else:
        play.stage.script(upstream(dialect, "grand"), *failing(429, "later")(dialect))
    play.stage.script(upstream(dialect, "mid"), *failing(400, "a bad schema")(dialect))

    said = ask(play, dialect, stream=stream, x_passerelle_cascade="tests:bridge")

    assert said.status == 200, said.body
    assert words_of(dialect, said, stream=stream).startswith(words)
    assert said.headers["x-passerelle-cascaded"] == "kept"
    assert said.headers["x-passerelle-deployment"] == at(dialect, "cheap")
    receipt = play.receipt(said)
    assert receipt["outcome"] == "answered"
    assert receipt["deployment"] == at(dialect, "cheap")
    *failed, kept = receipt["attempts"]
    assert kept["step"] == "first"
    assert [a["step"] for a in failed] == ["escalated", "escalated"]
    assert (failed[0].get("cost_nanos", 0) > 0) is stream
    assert not any(a["ok"] for a in failed)
    assert receipt["cascade"]["why"] == "it fails `not_a_refusal` of the tests `bridge`"
    assert receipt["cascade"]["failing"]


def test_attempts_are_bounded_as_without_a_cascade(play: Theatre) -> None:
    play.stage.script(upstream("openai_chat", "cheap"), saying("openai_chat", "I cannot help"))
    for model in ("grand", "mid"):
        for _ in range(4):
            play.stage.script(upstream("openai_chat", model), *failing(500, "down")("openai_chat"))

    said = ask(play, "openai_chat", x_passerelle_cascade="tests:bridge")

    for model in ("grand", "mid"):
        play.stage.clear(upstream("openai_chat", model))
    assert said.headers["x-passerelle-cascaded"] == "kept"
    assert len(play.receipt(said)["attempts"]) <= 4


def test_a_first_that_fails_costs_nothing_but_its_attempt(play: Theatre) -> None:
    play.stage.script(upstream("anthropic", "cheap"), *failing(500, "down")("anthropic"))

    said = ask(play, "anthropic", x_passerelle_cascade="agreement")

    assert said.headers["x-passerelle-cascaded"] == "skipped"
    assert said.headers["x-passerelle-deployment"] == at("anthropic", "grand")
    receipt = play.receipt(said)
    assert [a["ok"] for a in receipt["attempts"]] == [False, True]
    assert "failed: server_error" in receipt["cascade"]["why"]


def test_what_would_be_wrong_anywhere_is_told_at_once(play: Theatre) -> None:
    dialect: Dialect = "gemini"
    play.stage.script(upstream(dialect, "cheap"), *failing(400, "a bad schema")(dialect))

    said = ask(play, dialect, x_passerelle_cascade="agreement")

    assert said.status == status_of(dialect, 400)
    assert "a bad schema" in read_error(dialect, said).message
    assert play.stage.seen(upstream(dialect, "grand")) == []


def test_calls_are_held_against_the_tools_that_are_declared(play: Theatre) -> None:
    tool = {"name": "weather", "parameters": {"type": "object", "required": ["planet"]}}
    tools = {"tools": [{"type": "function", "function": tool}]}

    said = ask(play, "openai_chat", body=tools, x_passerelle_cascade="schema")

    receipt = play.receipt(said)
    assert receipt["cascade"] == {
        "end": "escalated",
        "why": "the arguments of a call do not meet the tool's schema: `required`, at the top",
        "escalated_holds": False,
    }


def test_a_request_that_is_translated_is_held_against_what_its_caller_gets(play: Theatre) -> None:
    plain(play, "gemini", "cheap", stream=True)

    said = ask(
        play,
        "anthropic",
        short("gemini"),
        stream=True,
        body=FORMATS["anthropic"],
        x_passerelle_cascade="schema",
    )

    assert read_stream("anthropic", said.body).text == JSON_TEXT
    assert said.headers["x-passerelle-cascaded"] == "escalated"


def test_a_gemini_stream_in_one_array_is_read_as_well(play: Theatre) -> None:
    made = json.dumps({**content("gemini", "gem", stream=True), **FORMATS["gemini"]}).encode()
    path = path_of("gemini", "gem", stream=True).partition("?")[0]

    said = play.caller.door.send(Asked(path, made), x_passerelle_cascade="schema")

    assert said.headers["x-passerelle-cascaded"] == "accepted", said.body
    assert json.loads(said.body)


# --- who may, and what is said


def test_an_alias_or_an_organisation_asks_for_it_without_a_word_of_the_caller(play: Theatre) -> None:
    nobody = play.house.caller("plain")
    banker = play.house.caller("banker", org="bank")
    never = play.house.caller("never", cascade=False)

    assert ask(play, "openai_chat", "checked", by=nobody).headers["x-passerelle-cascaded"] == "accepted"
    assert ask(play, "openai_chat", by=banker).headers["x-passerelle-cascaded"] == "accepted"
    off = ask(play, "openai_chat", "checked", by=nobody, x_passerelle_cascade="off")
    assert "x-passerelle-cascaded" not in off.headers
    assert "x-passerelle-cascaded" not in ask(play, "openai_chat", "checked", by=never).headers


def test_a_key_without_the_right_is_told_so_in_the_plan_and_answered(play: Theatre) -> None:
    nobody = play.house.caller("plain")

    said = ask(play, "openai_chat", by=nobody, x_passerelle_cascade="agreement")

    assert said.status == 200
    assert "x-passerelle-cascaded" not in said.headers
    cascade = play.house.receipt(nobody, said)["plan"]["cascade"]
    assert "may not ask for one" in cascade["because"]
    assert "first" not in cascade


@pytest.mark.parametrize(
    ("dialect", "word"),
    [*((dialect, "tests:vault") for dialect in DIALECTS), ("openai_chat", "scheme"), ("anthropic", "tests:")],
)
def test_a_word_that_means_nothing_is_told_in_the_callers_dialect(
    play: Theatre, dialect: Dialect, word: str
) -> None:
    said = ask(play, dialect, x_passerelle_cascade=word)

    assert said.status == status_of(dialect, 400)
    error = read_error(dialect, said)
    assert error.type == error_type(dialect, 400)
    assert names_field(dialect, error, "x-passerelle-cascade")
    assert "`schema`, `agreement`" in error.message
    assert "`off`" in error.message
    # Another organisation's tests are not for this one to know of.
    assert ("`tests:bridge`" in error.message) is (word == "tests:vault")


def test_named_models_never_cascade(play: Theatre) -> None:
    said = ask(play, "openai_chat", "cheap-chat", x_passerelle_cascade="agreement")

    assert said.status == 200
    assert "x-passerelle-cascaded" not in said.headers
    assert "cascade" not in play.receipt(said)["plan"]


def test_the_plan_tells_the_pair_and_calls_nobody(play: Theatre) -> None:
    said = ask(play, "openai_chat", x_passerelle_cascade="agreement", x_passerelle_plan="1").json

    cascade = said["plan"]["cascade"]
    assert (cascade["first"], cascade["then"]) == (at("openai_chat", "cheap"), at("openai_chat", "grand"))
    assert cascade["expected_nanos"] < cascade["direct_nanos"]
    assert "a cascade: first `chat/cheap-chat.chat`, checked by 2 answers of its own" in said["words"]
    body = {"body": content("openai_chat", "chat"), "headers": {"x-passerelle-cascade": "schema"}}
    preview = play.caller.door.send(Asked("/api/plan", json.dumps(body).encode())).json
    assert "no schema" in preview["plan"]["cascade"]["because"]
    assert "no cascade: the request has no schema" in preview["words"]
    assert play.stage.requests == []


def test_a_budget_that_has_no_room_for_the_better_one_keeps_the_first(play: Theatre) -> None:
    poor = play.house.caller("poor", budget_nanos=1_500_000, cascade=True)
    play.stage.script(upstream("openai_chat", "cheap"), saying("openai_chat", "I cannot help"))

    said = ask(play, "openai_chat", by=poor, body={"max_tokens": 200}, x_passerelle_cascade="tests:bridge")

    assert said.status == 200, said.body
    assert said.headers["x-passerelle-cascaded"] == "kept"
    receipt = play.house.receipt(poor, said)
    assert receipt["cascade"]["failing"] == "budget_exhausted"
    assert len(receipt["attempts"]) == 1


def test_what_the_organisations_tests_found_is_learned_and_counted(play: Theatre) -> None:
    play.stage.script(upstream("openai_chat", "cheap"), saying("openai_chat", "I cannot help"))

    said = ask(play, "openai_chat", x_passerelle_cascade="tests:bridge")

    told = "select model, source, score_ppm, weight_ppm from feedback where receipt_id = ? order by number"
    until(lambda: len(play.house.rows(told, said.receipt)) > 1, "the outcomes are kept")
    assert play.house.rows(told, said.receipt) == [
        ("cheap-chat", "verifier", 0, 500_000),
        ("grand-chat", "verifier", 1_000_000, 500_000),
    ]
    name = said.headers["x-passerelle-receipt"]
    shown = play.caller.door.get(f"/api/receipts/{name}").json
    assert "The cascade escalated: it fails `not_a_refusal` of the tests `bridge`" in shown["words"]
    assert "2 answers are billed" in shown["words"]


def test_a_temperature_of_nothing_proves_nothing(play: Theatre) -> None:
    said = ask(play, "openai_chat", body={"temperature": 0}, x_passerelle_cascade="agreement")

    assert "x-passerelle-cascaded" not in said.headers
    assert "gives the same answer twice" in play.receipt(said)["plan"]["cascade"]["because"]
