"""A kept stream on its way: named as ours, wherever its bytes are cut, and the rest as it came."""

import json
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.stage import frames

from passerelle.codecs.openai_responses import PROVIDER
from passerelle.codecs.openai_responses import conversation as talk
from passerelle.gateway import keep
from passerelle.gateway.keep import KeptStream
from passerelle.gateway.trip import Keeping

STREAM = b"".join(frames("openai_responses"))
KEEPING = Keeping(
    response_id="resp_ours",
    items=(b'{"role":"user","content":"hi"}',),
    expires_at_ns=1,
    store=True,
    previous_id="resp_before",
)


def passed(cuts: list[int], keeping: Keeping = KEEPING, sent: bytes = STREAM) -> tuple[bytes, Any]:
    """What the caller gets of the stream cut there, and the trip it was on."""
    trip: Any = SimpleNamespace(turn=None, receipt_id="rcp_1")
    stream = KeptStream(trip, keeping, PROVIDER.stream_watcher(None))  # type: ignore[arg-type]
    places = [0, *sorted(cuts), len(sent)]
    out = b"".join(stream.feed(sent[a:b]) for a, b in pairwise(places))
    out += stream.close()
    assert stream.done
    assert stream.failed is None
    return out, trip


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_a_stream_is_named_alike_wherever_it_is_cut(cuts: list[int]) -> None:
    out, trip = passed(cuts)
    assert out == passed([])[0]
    before, after = talk.frames(STREAM), talk.frames(out)
    assert len(before) == len(after)
    for (_, theirs), (data, ours) in zip(before, after, strict=True):
        if talk.event_type(data) in talk.LIFECYCLE:
            response = json.loads(data)["response"]
            assert (response["id"], response["store"]) == ("resp_ours", True)
            assert response["previous_response_id"] == "resp_before"
        else:
            assert ours == theirs
    assert trip.turn.kept
    assert trip.turn.response == talk.response_in(after[-1][0])
    assert trip.turn.output == ("msg_1",)


def test_what_is_too_large_is_told_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "MOST_BYTES", 100)
    out, trip = passed([])
    assert trip.turn is None
    assert json.loads(talk.frames(out)[-1][0])["response"]["store"] is False


def test_a_conversation_grows_by_what_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    keeping = Keeping("resp_ours", KEEPING.items, 1, store=False, conversation_id="conv_1")
    out, trip = passed([], keeping)
    assert (trip.turn.kept, trip.turn.conversation_id) == (False, "conv_1")
    assert json.loads(talk.frames(out)[-1][0])["response"]["store"] is False


def test_bytes_that_are_no_utf_8_are_told_as_they_came_and_kept_so_that_they_can_be_sent() -> None:
    broken = STREAM.replace(b'"output": [{', b'"output": [{"note": "\xff", ')
    assert broken != STREAM
    out, trip = passed([], sent=broken)
    assert b'"note": "\xff"' in out
    assert json.loads(trip.turn.response)["output"][0]["note"] == "\N{REPLACEMENT CHARACTER}"
