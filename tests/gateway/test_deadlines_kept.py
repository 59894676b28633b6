"""No provider is waited for longer than its deadlines allow, whatever it does to look alive."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.faultd import Drip, Hang, Send, Step, Wait, chunk, chunked_head
from tests.gateway.door import DIALECTS, Answer, error_type, read_error, read_stream, status_of, text_of
from tests.gateway.duos import Duo, Theatre, theatre
from tests.gateway.faulty import before_content, opened
from tests.gateway.stage import Stage, frames, lead_in
from tests.upstream_answers import PIECES, TEXT

from passerelle.codecs.eventstream import event_headers, write_frame
from passerelle.core.request import Dialect

HEADERS_S, FIRST_S, BETWEEN_S, TOTAL_S = 0.3, 0.5, 0.3, 1.0
SLACK_S = 0.6
"""Beyond a deadline, for a machine that is busy with other things."""


def _pings(dialect: Dialect) -> Step:
    """Frames that say nothing, again and again."""
    ping = chunk(write_frame(event_headers("ping"), b"{}") if dialect == "bedrock" else b": ping\n\n")
    return Drip(ping * 500, every_s=0.02, size=len(ping))


def _half(dialect: Dialect) -> Step:
    """An event that never comes whole."""
    event = b"d" * 500
    if dialect == "bedrock":
        event = write_frame(event_headers("contentBlockDelta"), event)
    pieces = b"".join(chunk(event[at : at + 1]) for at in range(500))
    return Drip(pieces, every_s=0.02, size=6)


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    deadlines = f"headers_s = {HEADERS_S}, first_content_s = {FIRST_S}, between_s = {BETWEEN_S}"
    also = f"deadlines = {{ {deadlines}, total_s = {TOTAL_S} }}"
    with theatre(tmp_path_factory.mktemp("late"), stage, duos=20, firsts={"a": None}, also=also) as play:
        yield play
        play.balanced()


def in_every_dialect(
    play: Theatre, stream: bool, steps: Callable[[Dialect], Sequence[Step]], *, both: bool = False
) -> list[tuple[Dialect, Duo, Answer, float]]:
    """Ask in all dialects at once a duo whose first place (or both) does `steps`; with the seconds taken."""

    def ask(dialect: Dialect) -> tuple[Dialect, Duo, Answer, float]:
        duo = duos[dialect]
        began = time.monotonic()
        return dialect, duo, play.ask(dialect, duo, stream=stream), time.monotonic() - began

    duos = {dialect: play.duo(dialect) for dialect in DIALECTS}
    for dialect, duo in duos.items():
        for place in (duo.first, duo.second) if both else (duo.first,):
            play.stage.always(place, *steps(dialect))
    with ThreadPoolExecutor(len(DIALECTS)) as pool:
        return list(pool.map(ask, DIALECTS))


ALIVE: dict[str, tuple[bool, float, Callable[[Dialect], Sequence[Step]]]] = {
    "silence, whole": (False, HEADERS_S, lambda _: [Hang()]),
    "silence, stream": (True, HEADERS_S, lambda _: [Hang()]),
    "a head that drips": (True, HEADERS_S, lambda _: [Drip(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 9_000)]),
    "a head and no body": (False, FIRST_S, lambda _: [Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")]),
    "blanks that drip": (
        False,
        FIRST_S,
        lambda _: [Send(chunked_head(content_type="application/json")), Drip(chunk(b" ") * 999, size=6)],
    ),
    "pings": (True, FIRST_S, lambda d: [Send(chunked_head()), _pings(d)]),
    "beginnings only": (True, FIRST_S, lambda d: [Send(opened(*before_content(d)))]),
}


@pytest.mark.parametrize("case", ALIVE)
def test_before_content_the_next_place_is_asked_in_time(play: Theatre, case: str) -> None:
    stream, limit_s, steps = ALIVE[case]

    for dialect, duo, said, took_s in in_every_dialect(play, stream, steps):
        assert said.status == 200, said.body
        assert (read_stream(dialect, said.body).text if stream else text_of(dialect, said)) == TEXT
        assert limit_s * 0.9 <= took_s <= limit_s + SLACK_S
        failed, _ = play.receipt(said)["attempts"]
        assert failed["failure"] == "timeout"
        assert failed["cost_nanos"] > 0  # it may have worked, and bill
        assert play.stage.gone(play.stage.seen(duo.first)[0].session, 1)


@pytest.mark.parametrize("stream", [False, True])
def test_when_nobody_answers_in_time_the_caller_hears_504(play: Theatre, *, stream: bool) -> None:
    for dialect, duo, said, took_s in in_every_dialect(play, stream, lambda _: [Hang()], both=True):
        assert said.status == status_of(dialect, 504)
        assert read_error(dialect, said).type == error_type(dialect, 504)
        assert took_s <= 2 * HEADERS_S + SLACK_S
        receipt = play.receipt(said.headers["x-request-id"])
        assert [a["failure"] for a in receipt["attempts"]] == ["timeout", "timeout"]
        assert receipt["outcome"] == "failed"
        assert (
            len(play.stage.seen(duo.first)) == 1
        )  # a late place may still be working: it is not asked again


def _begun(dialect: Dialect) -> Send:
    return Send(opened(*frames(dialect)[: lead_in(dialect) + 1]))


AFTER: dict[str, Callable[[Dialect], Sequence[Step]]] = {
    "silence": lambda d: [_begun(d)],
    "pings": lambda d: [_begun(d), Wait(0.02), _pings(d)],
    "half an event": lambda d: [_begun(d), Wait(0.02), _half(d)],
}


@pytest.mark.parametrize("case", AFTER)
def test_after_content_silence_ends_as_an_error_in_time(play: Theatre, case: str) -> None:
    for dialect, duo, said, took_s in in_every_dialect(play, True, AFTER[case]):
        heard = read_stream(dialect, said.body)
        assert heard.text == PIECES[0]
        assert heard.error is not None
        assert not heard.ended
        assert took_s <= BETWEEN_S + SLACK_S
        receipt = play.receipt(said)
        assert receipt["outcome"] == "incomplete"
        assert [a["failure"] for a in receipt["attempts"]] == ["timeout"]
        assert play.stage.gone(play.stage.seen(duo.first)[0].session, 1)


def test_a_stream_that_never_ends_is_ended_by_the_total(play: Theatre) -> None:
    def endless(dialect: Dialect) -> Sequence[Step]:
        piece = chunk(frames(dialect)[lead_in(dialect)])
        return [_begun(dialect), *[Drip(piece, every_s=0.1, size=len(piece))] * 40]

    for dialect, _, said, took_s in in_every_dialect(play, True, endless):
        heard = read_stream(dialect, said.body)
        assert heard.text.startswith(PIECES[0] * 3)
        assert heard.error is not None
        assert TOTAL_S * 0.9 <= took_s <= TOTAL_S + SLACK_S
        assert play.receipt(said)["attempts"][0]["failure"] == "timeout"


def test_all_attempts_share_one_total(play: Theatre) -> None:
    def endless(dialect: Dialect) -> Sequence[Step]:
        piece = chunk(frames(dialect)[lead_in(dialect)])
        return [_begun(dialect), *[Drip(piece, every_s=0.1, size=len(piece))] * 40]

    duo = play.duo("openai_chat")
    play.stage.always(duo.first, Hang())
    play.stage.always(duo.second, *endless("openai_chat"))

    began = time.monotonic()
    said = play.ask("openai_chat", duo, stream=True)

    assert read_stream("openai_chat", said.body).error is not None
    assert time.monotonic() - began <= TOTAL_S + SLACK_S
    assert [a["failure"] for a in play.receipt(said)["attempts"]] == ["timeout", "timeout"]
