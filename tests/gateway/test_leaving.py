"""Callers that go away, or read slowly: the provider is let go within a second, and what it did is booked."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.faultd import Flood, Hang, Received, Send, chunk
from tests.gateway.door import DIALECTS, Asked, Door, asked
from tests.gateway.duos import Duo, Theatre, theatre
from tests.gateway.faulty import failing, opened
from tests.gateway.house import until
from tests.gateway.stage import Stage, frames, lead_in

from passerelle.core.request import Dialect

GONE_WITHIN_S = 1.0


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre(tmp_path_factory.mktemp("leaving"), stage, duos=40, firsts={"a": None}) as play:
        yield play
        play.balanced()


class Leaver:
    """A caller who can leave at any moment."""

    def __init__(self, door: Door, ask: Asked, request_id: str) -> None:
        self.request_id = request_id
        self.socket = socket.create_connection((door.host, door.port), timeout=10)
        head = f"POST {ask.path} HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {door.token}\r\n"
        head += f"x-request-id: {request_id}\r\ncontent-length: {len(ask.body)}\r\n\r\n"
        self.socket.sendall(head.encode() + ask.body)

    def read_until(self, words: bytes) -> bytes:
        said = b""
        while words not in said:
            piece = self.socket.recv(65_536)
            assert piece, said
            said += piece
        return said

    def leave(self) -> None:
        self.socket.close()


def called(play: Theatre, upstream: str) -> Received:
    """The provider's first request for a model, once it is there."""
    return until(lambda: play.stage.seen(upstream), f"a call of {upstream}")[0]  # type: ignore[no-any-return]


def settled(play: Theatre, request_id: str) -> dict[str, Any]:
    """The receipt of a request whose caller has left."""
    door = play.caller.door
    until(lambda: door.get(f"/api/receipts/{request_id}").status == 200, f"the receipt of {request_id}")
    return play.receipt(request_id)


def _left(play: Theatre, leaver: Leaver, session: Any) -> dict[str, Any]:
    leaver.leave()
    assert play.stage.gone(session, GONE_WITHIN_S)
    receipt = settled(play, leaver.request_id)
    assert receipt["outcome"] == "cancelled"
    assert [a["failure"] for a in receipt["attempts"]] == ["cancelled"]
    return receipt


@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_leaving_a_stream_lets_the_provider_go_and_books_what_came(
    play: Theatre, dialect: Dialect, provider: Dialect
) -> None:
    duo = play.duo(provider)
    said = frames(provider)[: lead_in(provider) + 2]
    play.stage.script(duo.first, Send(opened(*said)), Hang())
    leaver = Leaver(play.caller.door, asked(dialect, duo.name, stream=True), f"{dialect}-left-{provider}")
    leaver.read_until(b"at Avignon")

    receipt = _left(play, leaver, called(play, duo.first).session)

    (attempt,) = receipt["attempts"]
    usage = attempt["usage"]
    told = provider == "gemini"  # it counts with every piece; Messages' opening counts less than what came
    assert usage.get("source", "provider") == ("provider" if told else "estimated")
    assert usage["input_tokens"] > 0
    assert usage["output_tokens"] > 0
    assert attempt["cost_nanos"] > 0
    assert "first_content_ns" in attempt


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_leaving_before_any_answer_lets_the_provider_go_and_is_estimated(
    play: Theatre, dialect: Dialect, *, stream: bool
) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, Hang())
    leaver = Leaver(play.caller.door, asked(dialect, duo.name, stream=stream), f"{dialect}-early-{stream}")

    receipt = _left(play, leaver, called(play, duo.first).session)

    usage = receipt["attempts"][0]["usage"]
    assert usage["source"] == "estimated"
    assert usage["input_tokens"] > 0
    assert "output_tokens" not in usage
    assert receipt["cost_nanos"] > 0
    assert play.stage.seen(duo.second) == []


def test_leaving_in_the_middle_of_a_whole_answer_lets_the_provider_go(play: Theatre) -> None:
    duo = play.duo("openai_chat")
    play.stage.script(duo.first, Send(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"), Hang())
    leaver = Leaver(play.caller.door, asked("openai_chat", duo.name), "in-the-middle")

    _left(play, leaver, called(play, duo.first).session)


def test_leaving_in_the_pause_between_attempts_asks_nobody_else(play: Theatre) -> None:
    duo = play.duo("openai_chat")
    play.stage.script(duo.first, *failing(500)("openai_chat"))
    play.stage.always(duo.second, *failing(429, retry_after="3")("openai_chat"))
    leaver = Leaver(play.caller.door, asked("openai_chat", duo.name), "in-the-pause")
    called(play, duo.second)
    leaver.leave()

    receipt = settled(play, "in-the-pause")

    assert receipt["outcome"] == "cancelled"
    assert [a["failure"] for a in receipt["attempts"]] == ["server_error", "rate_limited"]
    assert len(play.stage.seen(duo.second)) == 1


def test_a_caller_that_left_gives_its_place_back(play: Theatre) -> None:
    caller = play.house.caller("one at a time", concurrency=1)
    duo = play.duo("openai_chat")
    play.stage.script(duo.first, Hang())
    leaver = Leaver(caller.door, asked("openai_chat", duo.name), "holds-the-place")
    called(play, duo.first)
    assert caller.door.send(asked("openai_chat", duo.name)).status == 429

    leaver.leave()

    until(lambda: caller.door.send(asked("openai_chat", duo.name)).status == 200, "the place is free")


def _endless(play: Theatre) -> Duo:
    duo = play.duo("openai_chat")
    said = frames("openai_chat")
    words = said[1].replace(b"The bridge ", b"The bridge " * 700)
    play.stage.script(duo.first, Send(opened(*said[:2])), Flood(chunk(words)))
    return duo


def _resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_slow_readers_hurt_nobody_and_are_not_buffered_for(play: Theatre) -> None:
    quick = play.duo("openai_chat")
    play.ask("openai_chat", quick)
    before = _resident_kib(play.house.gateway.process.pid)
    slow = []
    for number in range(12):
        duo = _endless(play)
        slow.append(
            (Leaver(play.caller.door, asked("openai_chat", duo.name, stream=True), f"slow-{number}"), duo)
        )
    sessions = [called(play, duo.first).session for _, duo in slow]
    until(lambda: all(session.blocked.is_set() for session in sessions), "providers are held back")

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: play.ask("openai_chat", quick).status, range(60)))
    assert statuses == [200] * 60
    sent = [session.sent_bytes for session in sessions]
    time.sleep(0.1)
    assert [session.sent_bytes for session in sessions] == sent
    assert _resident_kib(play.house.gateway.process.pid) - before < 60_000
    for leaver, _ in slow:
        leaver.leave()
    assert all(play.stage.gone(session, 3) for session in sessions)
    for number in range(12):
        assert settled(play, f"slow-{number}")["outcome"] == "cancelled"
    assert json.dumps(play.house.lines("unexpected failure")) == "[]"
