"""Background responses in the dialect's words: objects without an answer, and events that others follow."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from passerelle.codecs.openai_responses import background as words
from passerelle.codecs.sse import SseParser
from passerelle.core.errors import Problem, ProblemError

BODY = b'{"model":"m","input":"hi","background":true,"tools":[],"metadata":{"a":"b"},"temperature":0.5}'


def _pending() -> bytes:
    return words.pending(BODY, "resp_1", created_s=7, previous_id="resp_0", conversation_id=None)


def _event(kind: str, number: int | None, **more: Any) -> bytes:
    fields = {"type": kind, **({} if number is None else {"sequence_number": number}), **more}
    return f"event: {kind}\ndata: {json.dumps(fields)}\n\n".encode()


def _read(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(frame.data) for frame in SseParser().feed(stream)]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (BODY, (True, False)),
        (b'{"background":true,"stream":true}', (True, True)),
        (b'{"background":false}', (False, False)),
        (b'{"background":null,"stream":true}', (False, True)),
        (b'{"input":"\\"background\\""}', (False, False)),
        (b'{"stream":true}', (False, False)),
    ],
)
def test_only_a_true_background_is_one(body: bytes, wanted: tuple[bool, bool]) -> None:
    assert words.wanted(body) == wanted


def test_a_wrong_background_is_named() -> None:
    with pytest.raises(ProblemError) as caught:
        words.wanted(b'{"background":3}')
    assert caught.value.problem.param == "background"


def test_what_has_no_answer_is_a_whole_response_object_all_the_same() -> None:
    told = Response.model_validate_json(_pending())
    assert (told.id, told.status, told.background, told.store) == ("resp_1", "queued", True, True)
    assert (told.metadata, told.temperature, told.previous_response_id) == ({"a": "b"}, 0.5, "resp_0")
    assert Response.model_validate_json(words.in_state(_pending(), "in_progress")).status == "in_progress"
    failed = Response.model_validate_json(words.failed(_pending(), Problem("rate_limited", "wait")))
    assert failed.error is not None
    assert (failed.status, failed.error.code, failed.error.message) == (
        "failed", "rate_limit_exceeded", "wait",
    )  # fmt: skip
    assert words.ended(_pending()) == ("queued", True)
    assert json.loads(words.foreground(BODY)) == {
        key: value for key, value in json.loads(BODY).items() if key != "background"
    }


@given(st.lists(st.none() | st.integers(0, 99), max_size=12), st.integers(-1, 12))
def test_events_are_numbered_without_a_gap_whatever_their_provider_counted(
    numbers: list[int | None], after: int
) -> None:
    numbering = words.Numbering(1)
    said = words.opening(_pending())
    said += numbering.take(_event("response.created", 0, response={}))
    for place, number in enumerate(numbers):
        said += numbering.take(_event("response.output_text.delta", number, delta=str(place)))
    assert not numbering.ending
    ending, following = words.final(_pending(), "cancelled", numbering.number)
    said += ending
    events = _read(said)
    assert [event["sequence_number"] for event in events] == list(range(following))
    assert [event["delta"] for event in events[1:-1]] == [str(place) for place in range(len(numbers))]
    assert _read(words.since(said, after)) == events[after + 1 :]


def test_what_is_numbered_well_passes_byte_for_byte_and_its_end_is_known() -> None:
    numbering = words.Numbering(1)
    chunk = _event("response.output_text.delta", 1, delta="é  ") + _event(
        "response.completed", 2, response={}
    )
    assert numbering.take(chunk + b"data: [DONE]\n\n") == chunk
    assert numbering.ending == "response.completed"
    assert numbering.last is not None


def test_a_failure_is_said_twice() -> None:
    failed = words.failed(_pending(), Problem("upstream_error", "no"))
    stream, following = words.final(failed, "failed", 4)
    error, last = _read(stream)
    assert (error["type"], error["error"]["message"], error["sequence_number"]) == ("error", "no", 4)
    assert (last["type"], last["response"]["status"], last["sequence_number"]) == (
        "response.failed", "failed", 5,
    )  # fmt: skip
    assert following == 6
