"""Until the first content a failing provider is invisible: the next place answers, the receipt tells all."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest
from tests.faultd import LAST_CHUNK, Close, Reset, Send, Step, answer, chunked_head
from tests.gateway.door import DIALECTS, Answer, error_type, read_error, read_stream, text_of
from tests.gateway.duos import Duo, Theatre, theatre
from tests.gateway.faulty import SECRET_WORDS, Steps, before_content, error_frame, failing, opened, sent
from tests.gateway.stage import SECRET, Stage, frames, whole_body
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with socket.socket() as reserved, socket.socket() as canary:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: whoever calls is refused
        canary.bind(("127.0.0.1", 0))
        canary.listen()
        canary.setblocking(False)
        dead = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        folder = tmp_path_factory.mktemp("takeover")
        with theatre(folder, stage, duos=80, firsts={"a": None, "x": dead}) as play:
            _ELSEWHERE.append(f"http://127.0.0.1:{canary.getsockname()[1]}/stolen")
            yield play
            with pytest.raises(BlockingIOError):  # nobody was ever led there
                canary.accept()
            play.balanced()


_ELSEWHERE: list[str] = []
"""Where redirects lead."""


class Fault(NamedTuple):
    """What the first place does, and what the receipt calls it."""

    steps: Steps
    failure: str
    status: int | None = None
    billed: bool = False
    """The provider may have worked without telling: it is estimated. One that says it failed is not."""


def _redirect(_: Dialect) -> Sequence[Step]:
    return [Send(answer(b"", status=307, headers=[("location", _ELSEWHERE[0])]))]


def _lifecycle(end: bytes, *then: Step) -> Callable[[Dialect], Sequence[Step]]:
    """All that comes before content, and then the end."""
    return lambda d: [Send(opened(*before_content(d)) + end), *then]


def _in_band(dialect: Dialect) -> Sequence[Step]:
    return [Send(opened(*before_content(dialect), error_frame(dialect)) + LAST_CHUNK)]


def _empty(dialect: Dialect) -> bytes:
    body = json.loads(whole_body(dialect))
    match dialect:
        case "openai_chat":
            body["choices"] = []
        case "openai_responses":
            body |= {"output": [], "usage": None}
        case "anthropic":
            body["content"] = []
        case "gemini":
            body["candidates"] = []
        case "bedrock":
            body["output"]["message"]["content"] = []
    return json.dumps(body).encode()


PAGE = b"<!doctype html><html><body>Please sign in</body></html>"
HTML = (("content-type", "text/html"),)
ANY: dict[str, Fault] = {
    "429": Fault(failing(429), "rate_limited", 429),
    "500": Fault(failing(500), "server_error", 500),
    "502": Fault(failing(502), "server_error", 502),
    "503": Fault(failing(503), "overloaded", 503),
    "529": Fault(failing(529), "overloaded", 529),
    "401": Fault(failing(401, f"Incorrect API key provided: {SECRET}"), "auth", 401),
    "402": Fault(failing(402), "billing", 402),
    "404": Fault(failing(404, "The model `x` does not exist"), "not_found", 404),
    "408": Fault(failing(408), "timeout", 408),
    "a long wait": Fault(failing(429, retry_after="3600"), "quota", 429),
    "an error without words": Fault(sent(answer(b"", status=500)), "server_error", 500),
    "an error that breaks off": Fault(
        sent(b"HTTP/1.1 503 Busy\r\ncontent-length: 99\r\n\r\n{", Close()), "overloaded", 503
    ),
    "reset before the head": Fault(lambda _: [Reset()], "transport", billed=True),
    "closed before the head": Fault(lambda _: [Close()], "transport", billed=True),
    "closed in the head": Fault(sent(b"HTTP/1.1 200 OK\r\ncontent-ty", Close()), "transport", billed=True),
    "no HTTP": Fault(sent(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Close()), "protocol", billed=True),
    "a page": Fault(sent(answer(PAGE, headers=HTML)), "protocol", 200, billed=True),
    "a redirect": Fault(_redirect, "protocol", 307),
    "no content": Fault(sent(b"HTTP/1.1 204 No Content\r\n\r\n"), "protocol", 204, billed=True),
}
WHOLE: dict[str, Fault] = {
    "an error under 200": Fault(failing(200), "server_error", 200),
    "half a body": Fault(
        lambda d: [Send(answer(whole_body(d))[:-20]), Close()], "transport", 200, billed=True
    ),
    "half a document": Fault(lambda d: [Send(answer(whole_body(d)[:-9]))], "protocol", 200, billed=True),
    "an empty document": Fault(sent(answer(b"{}")), "protocol", 200, billed=True),
    "an empty completion": Fault(lambda d: [Send(answer(_empty(d)))], "protocol", 200, billed=True),
    "a stream": Fault(lambda d: [Send(opened(*frames(d)) + LAST_CHUNK)], "protocol", 200, billed=True),
}
STREAM: dict[str, Fault] = {
    "an error first": Fault(_in_band, "in-band", 200),
    "cut before content": Fault(_lifecycle(b"", Close()), "transport", 200, billed=True),
    "reset before content": Fault(_lifecycle(b"", Reset()), "transport", 200, billed=True),
    "ended before content": Fault(_lifecycle(LAST_CHUNK), "protocol", 200, billed=True),
    "an empty stream": Fault(sent(chunked_head() + LAST_CHUNK), "protocol", 200, billed=True),
    "pings only": Fault(sent(opened(*[b": ping\n\n"] * 50) + LAST_CHUNK), "protocol", 200, billed=True),
    "no JSON": Fault(sent(opened(b"data: {nope\n\n") + LAST_CHUNK), "protocol", 200, billed=True),
    "a page in chunks": Fault(sent(opened(PAGE) + LAST_CHUNK), "protocol", 200, billed=True),
}
CASES = [
    *((name, fault, stream) for name, fault in ANY.items() for stream in (False, True)),
    *((name, fault, False) for name, fault in WHOLE.items()),
    *((name, fault, True) for name, fault in STREAM.items()),
]
IN_BAND_FAILURES = ("server_error", "overloaded")


def _whole_and_clean(dialect: Dialect, said: Answer, *, stream: bool) -> None:
    assert said.status == 200, said.body
    if stream:
        heard = read_stream(dialect, said.body)
        assert (heard.text, heard.ended, heard.error) == (TEXT, True, None)
    else:
        assert text_of(dialect, said) == TEXT
    assert SECRET_WORDS.encode() not in said.body


def _both_attempts(play: Theatre, said: Answer, duo: Duo, fault: Fault) -> None:
    assert said.headers["x-passerelle-attempts"] == "2"
    receipt = play.receipt(said)
    failed, ok = receipt["attempts"]
    assert (failed["deployment"], ok["deployment"]) == duo.places
    assert receipt["outcome"] == "answered"
    assert receipt["deployment"] == duo.places[1]
    assert failed["failure"] in (IN_BAND_FAILURES if fault.failure == "in-band" else (fault.failure,))
    assert failed.get("status") == fault.status
    assert not failed["ok"]
    assert ok["ok"]
    told = fault.failure == "in-band" and duo.dialect == "anthropic"  # which counts its input at the start
    if fault.billed or told:
        assert failed["usage"].get("source", "provider") in ("estimated", "provider")
        assert failed["cost_nanos"] > 0
    else:
        assert "usage" not in failed
        assert "cost_nanos" not in failed
    assert SECRET not in json.dumps(receipt)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("name", "fault", "stream"), CASES, ids=[f"{c[0]}{'~' * c[2]}" for c in CASES])
def test_the_second_place_answers_as_if_nothing_had_been(
    play: Theatre, dialect: Dialect, name: str, fault: Fault, *, stream: bool
) -> None:
    duo = play.duo(dialect)
    # A connection that was open before may be closed for its age: what is sent on it is sent once more.
    most = 2 if name == "closed before the head" else 1
    for _ in range(most):
        play.stage.script(duo.first, *fault.steps(dialect))

    said = play.ask(dialect, duo, stream=stream)

    _whole_and_clean(dialect, said, stream=stream)
    _both_attempts(play, said, duo, fault)
    assert 1 <= len(play.stage.seen(duo.first)) <= most
    assert len(play.stage.seen(duo.second)) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_refused_connection_costs_nothing_and_is_taken_over(
    play: Theatre, dialect: Dialect, *, stream: bool
) -> None:
    duo = play.duo(dialect, "x")

    said = play.ask(dialect, duo, stream=stream)

    _whole_and_clean(dialect, said, stream=stream)
    _both_attempts(play, said, duo, Fault(lambda _: [], "transport"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [ANY["500"], ANY["a page"], WHOLE["half a document"]])
@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_translated_calls_are_taken_over_alike(
    play: Theatre, dialect: Dialect, provider: Dialect, fault: Fault, *, stream: bool
) -> None:
    if dialect == provider:
        return
    fault = STREAM["an error first"] if stream and fault is WHOLE["half a document"] else fault
    duo = play.duo(provider)
    play.stage.script(duo.first, *fault.steps(provider))

    said = play.ask(dialect, duo, stream=stream)

    _whole_and_clean(dialect, said, stream=stream)
    _both_attempts(play, said, duo, fault)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_places_down_is_told_in_the_dialect(play: Theatre, dialect: Dialect, *, stream: bool) -> None:
    duo = play.duo(dialect)
    play.stage.always(duo.first, *failing(500)(dialect))
    play.stage.always(duo.second, *failing(503)(dialect))

    said = play.ask(dialect, duo, stream=stream)

    assert said.status in (502, 503)
    error = read_error(dialect, said)
    assert error.type == error_type(dialect, said.status)
    assert SECRET_WORDS not in error.message
    receipt = play.receipt(said)
    assert receipt["outcome"] == "failed"
    assert receipt["cost_nanos"] == 0
    assert [a["failure"] for a in receipt["attempts"]][:2] == ["server_error", "overloaded"]
    assert len(receipt["attempts"]) == 3
