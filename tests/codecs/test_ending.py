"""Why a relayed answer stopped is passed on with its end, and not before an error."""

import pytest
from tests.faults.fault_scene import error_frame
from tests.gateway.stage import frames, lead_in

from passerelle.codecs import registry
from passerelle.codecs.base import Envelope, StreamWatcher
from passerelle.codecs.ending import Ending
from passerelle.core.request import Dialect

WHY: dict[Dialect, bytes] = {
    "openai_chat": b'"finish_reason": "stop"',
    "anthropic": b"stop_reason",
    "bedrock": b"messageStop",
}


def watching(dialect: Dialect) -> StreamWatcher:
    return registry.provider(dialect).stream_watcher(Envelope("chat", "m", stream=True))


def why_at(dialect: Dialect) -> int:
    """The frame that says why, which is not the last."""
    said = frames(dialect)
    (at,) = [n for n in range(lead_in(dialect), len(said)) if WHY[dialect] in said[n]]
    assert at < len(said) - 1
    return at


@pytest.mark.parametrize("dialect", WHY)
def test_why_it_stopped_waits_for_the_end(dialect: Dialect) -> None:
    said, at = frames(dialect), why_at(dialect)
    watcher = watching(dialect)
    assert b"".join(watcher.feed(frame) for frame in said[:at]) == b"".join(said[:at])
    assert b"".join(watcher.feed(frame) for frame in said[at:-1]) == b""
    assert watcher.feed(said[-1]) == b"".join(said[at:])
    assert watcher.done


@pytest.mark.parametrize("dialect", WHY)
def test_an_error_after_it_is_the_only_ending(dialect: Dialect) -> None:
    said, at = frames(dialect), why_at(dialect)
    for whole in (True, False):
        watcher = watching(dialect)
        fed = [*said[:-1], error_frame(dialect)]
        passed = b"".join(watcher.feed(some) for some in ([b"".join(fed)] if whole else fed))
        assert passed + watcher.close() == b"".join(said[:at])
        assert watcher.failed is not None


@pytest.mark.parametrize("dialect", ["openai_chat", "bedrock"])
def test_an_answer_that_ends_after_it_is_whole(dialect: Dialect) -> None:
    said, at = frames(dialect), why_at(dialect)
    watcher = watching(dialect)
    passed = b"".join(watcher.feed(frame) for frame in said[: at + 1]) + watcher.close()
    assert watcher.done
    assert passed.startswith(b"".join(said[: at + 1]))


def test_an_answer_that_goes_on_is_held_back_no_longer() -> None:
    said, at = frames("anthropic"), why_at("anthropic")
    begun, words = said[: lead_in("anthropic")], said[lead_in("anthropic") : at - 1]
    watcher = watching("anthropic")
    fed = [*begun, said[at], *words]
    passed = [watcher.feed(frame) for frame in fed]
    assert passed[len(begun)] == b""
    assert passed[len(begun) + 1 :] == [said[at] + words[0], *words[1:]]


def test_choices_end_one_by_one() -> None:
    def chunk(index: int, delta: bytes, finish: bytes = b"null") -> bytes:
        return b'data: {"choices": [{"index": %d, "delta": {%b}, "finish_reason": %b}]}\n\n' % (
            index, delta, finish,
        )  # fmt: skip

    words = [chunk(0, b'"content": "a"'), chunk(1, b'"content": "b"')]
    first, more = chunk(0, b"", b'"stop"'), chunk(1, b'"content": "c"')
    second, mark = chunk(1, b"", b'"stop"'), b"data: [DONE]\n\n"
    watcher = watching("openai_chat")
    assert [watcher.feed(frame) for frame in (*words, first, more)] == [*words, first, more]
    assert watcher.feed(second) == b""
    assert watcher.feed(mark) == second + mark


def test_little_is_held_back() -> None:
    ending = Ending()
    frame = b"x" * 1000
    passed = [ending.hold(frame, 3) for _ in range(20)]
    assert passed[:16] == [b""] * 16
    assert passed[16:] == [frame * 17, frame, frame, frame]
    assert Ending().hold(b"x" * 20_000, 1) == b"x" * 20_000
