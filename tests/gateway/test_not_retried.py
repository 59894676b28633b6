"""What would fail anywhere is asked once; what may pass is asked again, but never more than three times."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tests.faultd import LAST_CHUNK, Send, answer, chunk
from tests.gateway.door import (
    DIALECTS,
    Asked,
    asked,
    content,
    error_type,
    path_of,
    read_error,
    read_stream,
    status_of,
    text_of,
)
from tests.gateway.duos import Theatre, theatre
from tests.gateway.faulty import SECRET_WORDS, before_content, failing, opened
from tests.gateway.house import until
from tests.gateway.stage import SECRET, Stage, frames, whole_body
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre(tmp_path_factory.mktemp("once"), stage, duos=110, firsts={"a": None}) as play:
        yield play
        play.balanced()


REFUSED: dict[str, tuple[int, str, str | None, int, str]] = {
    # status, words, code → the caller's status, the failure
    "malformed": (400, "`temperature` is not for it", "invalid_request_error", 400, "invalid_request"),
    "unprocessable": (422, "`top_p` must be below 1", None, 422, "invalid_request"),
    "too long": (400, "maximum context length is 8 tokens", "context_length_exceeded", 400, "context_length"),
    "too long for Claude": (400, "prompt is too long: 9 tokens > 8 maximum", None, 400, "context_length"),
    "too large": (413, "request exceeds the maximum size", "request_too_large", 413, "context_length"),
    "against policy": (400, "Your input was flagged", "content_policy_violation", 400, "content_policy"),
    "against policy, 403": (403, "input was flagged: requires moderation", None, 400, "content_policy"),
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_told_with_the_providers_words_and_asked_of_nobody_else(
    play: Theatre, dialect: Dialect, case: str, *, stream: bool
) -> None:
    status, words, code, told, failure = REFUSED[case]
    duo = play.duo(dialect)
    play.stage.always(duo.first, *failing(status, words, code=code)(dialect))

    said = play.ask(dialect, duo, stream=stream)

    assert said.status == told
    error = read_error(dialect, said)
    assert words in error.message
    assert error.type in (error_type(dialect, 413 if told == 413 else 400), "FAILED_PRECONDITION")
    assert len(play.stage.seen(duo.first)) == 1
    assert play.stage.seen(duo.second) == []
    receipt = play.receipt(said.headers["x-request-id"])
    assert receipt["outcome"] == "failed"
    assert receipt["cost_nanos"] == 0
    assert [attempt["failure"] for attempt in receipt["attempts"]] == [failure]


def test_a_refusal_said_inside_a_stream_before_content_is_a_refusal_too(play: Theatre) -> None:
    duo = play.duo("openai_responses")
    failed = {"type": "response.failed", "sequence_number": 2}
    error = {"code": "context_length_exceeded", "message": "Your input exceeds the context window"}
    failed["response"] = {"id": "r", "object": "response", "status": "failed", "error": error, "output": []}
    event = f"event: response.failed\ndata: {json.dumps(failed)}\n\n".encode()
    data = opened(*before_content("openai_responses")[:2], event) + LAST_CHUNK
    play.stage.script(duo.first, Send(data))

    said = play.ask("openai_responses", duo, stream=True)

    assert said.status == 400
    assert read_error("openai_responses", said).code == "context_length_exceeded"
    assert play.stage.seen(duo.second) == []


def test_a_model_that_declines_has_answered(play: Theatre) -> None:
    duo = play.duo("anthropic")
    body = json.loads(whole_body("anthropic")) | {"content": [], "stop_reason": "refusal"}
    play.stage.script(duo.first, Send(answer(json.dumps(body).encode())))

    said = play.ask("anthropic", duo)

    assert said.status == 200
    assert said.json["stop_reason"] == "refusal"
    assert play.stage.seen(duo.second) == []
    assert play.receipt(said)["attempts"][0]["finish"] == "refusal"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("status", [401, 403])
def test_our_own_credential_refused_is_502_and_never_shown(
    play: Theatre, dialect: Dialect, status: int, *, stream: bool
) -> None:
    duo = play.duo(dialect)
    words = f"Incorrect API key provided: {SECRET}. You can find yours at example.com"
    for place in (duo.first, duo.second):
        play.stage.always(place, *failing(status, words)(dialect))

    said = play.ask(dialect, duo, stream=stream)

    assert said.status == status_of(dialect, 502)
    error = read_error(dialect, said)
    assert "this gateway's own credential" in error.message
    assert said.headers["x-should-retry"] == "false"
    assert SECRET not in (said.body.decode() + json.dumps(said.headers))
    receipt = play.receipt(said.headers["x-request-id"])
    assert [attempt["failure"] for attempt in receipt["attempts"]] == ["auth", "auth"]
    assert SECRET not in json.dumps(receipt)
    assert SECRET not in "".join(play.house.gateway.log)
    until(lambda: alarmed(play) >= set(duo.places), "the operator is told")


def alarmed(play: Theatre) -> set[str]:
    """The deployments the log has asked the operator to see to."""
    return {line["deployment"] for line in play.house.lines("a provider needs the operator")}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("form", ["retry-after", "retry-after-ms", "a date"])
def test_the_wait_a_provider_asks_for_is_passed_on(play: Theatre, dialect: Dialect, form: str) -> None:
    duo = play.duo(dialect)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=17), usegmt=True)
    headers = {
        "retry-after": {"retry_after": "17"},
        "retry-after-ms": {"retry_after_ms": "17000"},
        "a date": {"retry_after": date},
    }
    for place in (duo.first, duo.second):
        play.stage.always(place, *failing(429, **headers[form])(dialect))

    said = play.ask(dialect, duo)

    assert said.status == 429
    assert read_error(dialect, said).type == error_type(dialect, 429)
    assert 15 <= int(said.headers["retry-after"]) <= 17
    first, second = play.receipt(said.headers["x-request-id"])["attempts"]
    # Nobody waits so long on the caller's behalf: the second place is asked long before that.
    assert second["started_at_ns"] < first["started_at_ns"] + 15 * 10**9
    assert len(play.stage.seen(duo.first)) == len(play.stage.seen(duo.second)) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_last_place_is_asked_once_more_after_a_pause(
    play: Theatre, dialect: Dialect, *, stream: bool
) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, *failing(503)(dialect))
    play.stage.script(duo.second, *failing(429, retry_after="0.2")(dialect))

    said = play.ask(dialect, duo, stream=stream)

    assert said.status == 200
    assert (read_stream(dialect, said.body).text if stream else text_of(dialect, said)) == TEXT
    receipt = play.receipt(said)
    _, refused, again = receipt["attempts"]
    assert again["started_at_ns"] - refused["started_at_ns"] >= 0.2 * 10**9  # the place asked for as much
    assert [a["deployment"] for a in receipt["attempts"]] == [duo.places[0], duo.places[1], duo.places[1]]
    assert [a.get("failure") for a in receipt["attempts"]] == ["overloaded", "rate_limited", None]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_request_makes_more_than_three_attempts(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    for place in (duo.first, duo.second):
        play.stage.always(place, *failing(500, SECRET_WORDS)(dialect))

    said = play.ask(dialect, duo)

    assert said.status == status_of(dialect, 502)
    assert len(play.stage.seen(duo.first)) + len(play.stage.seen(duo.second)) == 3
    assert SECRET_WORDS not in said.body.decode()


def test_a_place_that_keeps_failing_is_tried_last_until_it_recovers(play: Theatre) -> None:
    duo = play.duo("openai_chat")
    for _ in range(5):
        play.stage.script(duo.first, *failing(500)("openai_chat"))
    for _ in range(5):
        assert play.ask("openai_chat", duo).headers["x-passerelle-attempts"] == "2"

    said = play.ask("openai_chat", duo)

    assert said.headers["x-passerelle-attempts"] == "1"
    assert said.headers["x-passerelle-deployment"] == duo.places[1]
    set_back = play.house.lines("deployment set back: tried last until it recovers")
    assert [line for line in set_back if line["deployment"] == duo.places[0]]


def test_an_event_too_large_to_hold_is_not_bought_again(play: Theatre) -> None:
    duo = play.duo("openai_chat")
    piece = chunk(b'data: {"images": ["' + b"x" * (1 << 20))
    event = piece + 33 * chunk(b"x" * (1 << 20))
    play.stage.always(duo.first, Send(opened(*frames("openai_chat")[:1])), Send(event))

    said = play.ask("openai_chat", duo, stream=True)

    assert said.status == 502
    assert said.headers["x-should-retry"] == "false"
    assert read_error("openai_chat", said).code == "provider_oversized"
    assert len(play.stage.seen(duo.first)) == 1
    assert play.stage.seen(duo.second) == []
    receipt = play.receipt(said.headers["x-request-id"])
    (attempt,) = receipt["attempts"]
    assert attempt["failure"] == "oversized"
    assert attempt["usage"]["source"] == "estimated"


def test_what_another_dialect_refuses_is_named_in_the_callers_own(play: Theatre) -> None:
    duo = play.duo("anthropic")
    items = [
        {"role": "user", "content": "a"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]

    said = play.caller.door.send(asked("openai_responses", duo.name, input=items))

    assert said.status == 400
    assert read_error("openai_responses", said).param == "input[1]"
    assert play.stage.seen(duo.first) == []


@pytest.mark.parametrize("depth", [300, 450, 900])
@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
def test_a_schema_nested_without_end_is_answered_or_refused_by_name(
    play: Theatre, dialect: Dialect, provider: Dialect, depth: int
) -> None:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(depth // 2):  # each level is two objects
        schema = {"type": "object", "properties": {"p": schema}, "required": ["p"]}
    body = {**content(dialect, play.duo(provider).name), **_bound(dialect, schema)}
    said = play.caller.door.send(Asked(path_of(dialect, ""), json.dumps(body).encode()))

    assert said.status in (200, 400)
    if said.status == 400:
        param = read_error(dialect, said).param or ""
        assert param.startswith(("response_format", "text.format"))


def _bound(dialect: Dialect, schema: object) -> dict[str, object]:
    form = {"name": "x", "schema": schema, "strict": True}
    if dialect == "openai_chat":
        return {"response_format": {"type": "json_schema", "json_schema": form}}
    return {"text": {"format": {"type": "json_schema", **form}}}


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent", "countTokens", "embedContent"])
def test_a_method_of_a_model_is_called_with_post(play: Theatre, verb: str) -> None:
    said = play.caller.door.get(f"/v1beta/models/any:{verb}")
    assert (said.status, said.headers["allow"]) == (405, "POST")
    assert read_error("gemini", said).type == "UNIMPLEMENTED"


def test_an_unknown_model_is_named_once(play: Theatre) -> None:
    said = play.caller.door.send(asked("openai_chat", "zzzz-no-such"))
    assert said.status == 404
    message = read_error("openai_chat", said).message
    assert message.count("zzzz-no-such") == 1
    assert message.endswith(".")
    assert ".." not in message
