"""Lines of settled requests are written together, in order, and never kept beyond the loop."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from passerelle.core.receipt import Receipt
from passerelle.core.usage import NO_USAGE
from passerelle.telemetry import logs


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is written to standard error by a log set up as `serve` sets it up."""
    told = [logging.getLogger(name) for name in (None, "passerelle", "uvicorn", "uvicorn.error")]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in told]
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure("info", "json")
    yield written
    logs.configure("warning", "text")  # lines of settled requests go nowhere else than to `logging` again
    for one, handlers, level, propagate in before:
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


def receipt(number: int) -> Receipt:
    return Receipt(
        id=f"rcp_{number}", request_id="req", at_ns=0, org_id="o", workspace_id="w", project_id="p",
        key_id="k", dialect="openai_chat", operation="chat", stream=False, outcome="answered", plan=None,
        attempts=(), usage=NO_USAGE, cost_nanos=0, currency="USD", duration_ns=0, generation=1,
    )  # fmt: skip


def ids(written: io.StringIO) -> list[str]:
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    return [line.get("receipt_id", line["message"]) for line in lines]


def test_lines_of_a_turn_are_written_when_it_is_over(stream: io.StringIO) -> None:
    later: list[Callable[[], None]] = []
    logs.by_turns(later.append)
    logs.settled(receipt(1))
    logs.settled(receipt(2))
    assert (stream.getvalue(), len(later)) == ("", 1)
    later.pop()()
    assert ids(stream) == ["rcp_1", "rcp_2"]
    logs.settled(receipt(3))
    assert len(later) == 1
    logs.by_turns(None)
    assert ids(stream) == ["rcp_1", "rcp_2", "rcp_3"]
    logs.settled(receipt(4))
    assert ids(stream)[-1] == "rcp_4"


def test_other_lines_keep_their_place_among_them(stream: io.StringIO) -> None:
    logs.by_turns([].append)
    logs.settled(receipt(1))
    logging.getLogger("passerelle.health").info("opens")
    logs.settled(receipt(2))
    logs.by_turns(None)
    assert ids(stream) == ["rcp_1", "opens", "rcp_2"]


def test_a_line_has_the_fields_that_logging_would_have_given_it(stream: io.StringIO) -> None:
    logs.settled(receipt(1))
    logging.getLogger("passerelle.road").info("settled", extra={"receipt": receipt(1)})
    ours, theirs = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert ours.pop("at")[:10] == theirs.pop("at")[:10]
    assert ours == theirs
