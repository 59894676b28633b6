"""The faults: everything a provider was seen to do, or might do, instead of answering.

`BREAKS` come anywhere in an answer, in place of what should come there. `REPLACES` stand in place of the
whole answer. Each says what the receipt may call it; the `harmless` ones are none, and must not be taken for
one.
"""

import gzip
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate

from tests.faultd import (
    LAST_CHUNK,
    Close,
    Drip,
    Flood,
    Hang,
    Reset,
    Send,
    Step,
    Wait,
    answer,
    chunk,
    chunked_head,
)
from tests.faults.fault_scene import (
    APART_S,
    POSITIONS,
    TELLS,
    Position,
    Scene,
    comment,
    error_frame,
    error_said,
    event,
)
from tests.gateway.faulty import before_content, failing
from tests.gateway.stage import frames, stream_bytes, whole_body

from passerelle.codecs.eventstream import event_headers, write_frame
from passerelle.core.errors import FailureKind
from passerelle.core.request import Dialect

Steps = Sequence[Step]
PAGE = b"<!doctype html><html><body><h1>Sign in</h1><p>Your session has ended.</p></body></html>"
HTML = (("content-type", "text/html; charset=utf-8"),)
TIRING = 0.05
"""Seconds between bytes that are meant to look like life."""


@dataclass(frozen=True)
class Fault:
    """One way to fail."""

    name: str
    steps: Callable[[Scene], Steps]
    failures: tuple[FailureKind, ...] = ()
    """What the receipt may call it."""
    at: tuple[Position, ...] = POSITIONS
    streams: tuple[bool, ...] = (True, False)
    harmless: bool = False
    """The answer is whole, and is delivered from there."""
    either: bool = False
    """It comes with the whole answer: harmless or not as the bytes happen to fall."""
    refusal: bool = False
    """The provider refuses the request: nobody else is asked, and the caller is told."""
    waits: bool = False
    """Seen by a deadline alone."""
    opens: bool = False
    """It says how long to wait: the breaker opens at once."""


def _in_stream(then: Callable[[Scene], Steps]) -> Callable[[Scene], Steps]:
    return lambda scene: [*scene.begun(), *then(scene)]


def _either(
    stream: Callable[[Scene], Steps], whole: Callable[[Scene], Steps] | None = None
) -> Callable[[Scene], Steps]:
    """What comes after the beginning: in chunks of a stream, or as bytes of a body."""

    def steps(scene: Scene) -> Steps:
        then = stream if scene.stream or whole is None else whole
        return [*scene.begun(), *then(scene)]

    return steps


def _chunked(make: Callable[[Scene], bytes]) -> Callable[[Scene], Steps]:
    """One frame in the place of what should come, and then the proper end of the body."""
    return _in_stream(lambda scene: [Send(chunk(make(scene)) + LAST_CHUNK)])


def _wrong(payload: bytes) -> Callable[[Scene], Steps]:
    """A frame whose payload is that, and then the rest as if nothing had been."""
    return _in_stream(lambda scene: [Send(chunk(event(scene.dialect, payload)) + scene.rest)])


def _dripping(data: bytes, size: int = 1) -> Drip:
    return Drip(data, TIRING, size)


def _half(scene: Scene) -> bytes:
    return scene.frame[: len(scene.frame) // 2]


def _chunks_of_one(data: bytes) -> Drip:
    return _dripping(b"".join(chunk(data[at : at + 1]) for at in range(len(data))), 6)


def nothing_said(dialect: Dialect, number: int = 4) -> bytes:
    """An event of the dialect that holds no content; `number` is its own where they are counted."""
    return {
        "openai_chat": re.sub(rb'"delta": {[^}]*}', b'"delta": {}', frames("openai_chat")[0]),
        "openai_responses": b'event: response.in_progress\ndata: {"type": "response.in_progress",'
        b' "sequence_number": %d, "response": {"id": "resp_replay"}}\n\n' % number,
        "anthropic": frames("anthropic")[1],
        "gemini": re.sub(rb'"parts": \[[^]]*\]', b'"parts": []', frames("gemini")[0]),
        "bedrock": comment("bedrock"),
    }[dialect]


def _nothing_again(scene: Scene) -> Steps:
    said = [nothing_said(scene.dialect, 4 + scene.heard + more) for more in range(60)]
    size = max(len(frame) for frame in said)
    return [_dripping(b"".join(chunk(frame.ljust(size, b"\n")) for frame in said), len(chunk(b"x" * size)))]


def _foreign(scene: Scene) -> bytes:
    """An event of another dialect."""
    if scene.dialect == "bedrock":
        return b'data: {"choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n'
    other = "openai_chat" if scene.dialect in ("anthropic", "gemini", "openai_responses") else "anthropic"
    return frames("anthropic" if other == "anthropic" else "openai_chat")[3]


def _unknown(scene: Scene) -> bytes:
    """An event of a kind that nobody knows yet, as dialects grow them."""
    if scene.dialect == "bedrock":
        return write_frame(event_headers("novelty"), b'{"a": 1}')
    if scene.dialect in ("anthropic", "openai_responses"):
        number = (
            b', "sequence_number": %d' % (4 + scene.heard) if scene.dialect == "openai_responses" else b""
        )
        return b'event: response.novelty\ndata: {"type": "response.novelty"%b}\n\n' % number
    return comment(scene.dialect)


def _line(_: Scene) -> Steps:
    return [Send(chunk(b'data: {"a": "')), Flood(chunk(b"a" * 65_536))]


# --- in place of what should come

BREAKS = (
    Fault("closed", _either(lambda _: [Close()]), ("transport",)),
    Fault("reset", _either(lambda _: [Reset()]), ("transport",)),
    Fault("silence", _either(lambda _: [Hang()]), ("timeout",), waits=True),
    Fault(
        "pings only",
        _either(lambda s: [_dripping(chunk(comment(s.dialect)) * 400, len(chunk(comment(s.dialect))))]),
        ("timeout",),
        streams=(True,),
        waits=True,
    ),
    Fault("events that say nothing", _in_stream(_nothing_again), ("timeout",), streams=(True,), waits=True),
    Fault(
        "dripped bytes",
        _either(
            lambda s: [_chunks_of_one(s.frame[:-2] * 4)],
            lambda s: [_dripping(b" " * (len(s.whole) // 3)), Hang()],
        ),
        ("timeout", "protocol"),
        at=("before", "first", "middle"),  # at its last place a whole answer lacks one byte
        waits=True,
    ),
    Fault(
        "empty lines",
        _in_stream(lambda s: [_dripping(chunk(b"\n") * 400, 6)]),
        ("timeout", "protocol"),
        streams=(True,),
        waits=True,
    ),
    Fault(
        "dripped framing",
        _in_stream(lambda _: [_dripping(b"1;" + b"x" * 900)]),
        ("timeout",),
        streams=(True,),
        waits=True,
    ),
    Fault(
        "a torn chunk",
        _in_stream(lambda _: [Send(b"80\r\ndata: {"), Close()]),
        ("transport",),
        streams=(True,),
    ),
    Fault(
        "a bad chunk size", _in_stream(lambda _: [Send(b"zz\r\nnope\r\n")]), ("protocol",), streams=(True,)
    ),
    Fault(
        "a chunk of any size",
        _in_stream(lambda _: [Send(b"FFFFFFFFFFFFFFFFFFFF\r\nnope\r\n")]),
        ("protocol",),
        streams=(True,),
    ),
    Fault(
        "endless extensions",
        _in_stream(lambda _: [Send(b"1;"), Flood(b"x" * 16_384, 64)]),
        ("protocol",),
        streams=(True,),
    ),
    Fault("an end too soon", _in_stream(lambda _: [Send(LAST_CHUNK)]), ("protocol",), streams=(True,)),
    Fault("a torn event", _chunked(_half), ("protocol",), streams=(True,)),
    Fault(
        "a torn event, cut",
        _in_stream(lambda s: [Send(chunk(_half(s))), Close()]),
        ("transport",),
        streams=(True,),
    ),
    Fault("no JSON", _wrong(b"{nope}"), ("protocol",), streams=(True,)),
    Fault("a list for an event", _wrong(b"[1, 2]"), ("protocol",), streams=(True,)),
    Fault("a word for an event", _wrong(b'"word"'), ("protocol",), streams=(True,)),
    Fault("nothing for an event", _wrong(b"null"), ("protocol",), streams=(True,)),
    Fault("no UTF-8", _wrong(b'{"type": "\xff\xfe\xc3"}'), ("protocol",), streams=(True,)),
    Fault("nested without end", _wrong(b"[" * 100_000), ("protocol",), streams=(True,)),
    Fault("NUL bytes", _chunked(lambda _: b"\0" * 4_000), ("protocol",), streams=(True,)),
    Fault("an event of another dialect", _chunked(_foreign), ("protocol",), streams=(True,)),
    Fault("a page in the stream", _chunked(lambda _: PAGE), ("protocol",), streams=(True,)),
    Fault(
        "an error in the stream",
        _chunked(lambda s: error_frame(s.dialect)),
        ("server_error", "overloaded"),
        streams=(True,),
    ),
    Fault(
        "an error, and then the rest",
        _in_stream(lambda s: [Send(chunk(error_frame(s.dialect)) + s.rest)]),
        ("server_error", "overloaded"),
        streams=(True,),
    ),
    Fault(
        "an error, and a cut",
        _in_stream(lambda s: [Send(chunk(error_frame(s.dialect))), Reset()]),
        ("server_error", "overloaded", "transport"),
        streams=(True,),
    ),
    Fault(
        "an error between why it stopped and its end",
        _in_stream(lambda s: [Send(s.but_the_end), Wait(APART_S), Send(chunk(error_frame(s.dialect)))]),
        ("server_error", "overloaded"),
        at=("last",),
        streams=(True,),
    ),
    Fault(
        "JSON in the stream",
        _chunked(lambda s: error_said(s.dialect)),
        ("protocol", "server_error", "overloaded"),
        streams=(True,),
    ),
    Fault("an endless line", _in_stream(_line), ("protocol", "timeout"), streams=(True,)),
    Fault(
        "other bytes",
        _either(
            lambda _: [Send(chunk(b"\x16\x03\x01" * 400) + LAST_CHUNK)],
            lambda _: [Send(b"\xfe" * 9_000), Close()],
        ),
        ("protocol", "transport"),
        at=("first", "middle", "last"),
    ),
    Fault(
        "an event nobody knows",
        _in_stream(lambda s: [Send(chunk(_unknown(s)) + s.rest)]),
        harmless=True,
        at=("first", "middle", "last"),
        streams=(True,),
    ),
    Fault(
        "a byte at a time",
        _either(
            lambda s: [
                Drip(b"".join(chunk(s.frame[at : at + 40]) for at in range(0, len(s.frame), 40)), 0.001, 25),
                Send(s.after),
            ],
            lambda s: [Drip(s.whole, 0.001, 50)],
        ),
        harmless=True,
        at=("first",),
    ),
    Fault(
        "a slow beginning",
        _either(lambda s: [Wait(0.25), Send(s.rest)], lambda s: [Wait(0.25), Send(s.whole)]),
        harmless=True,
        at=("first",),
    ),
)


# --- in place of the answer


def _bytes(data: bytes, *then: Step) -> Callable[[Scene], Steps]:
    return lambda _: [Send(data), *then]


def _good(scene: Scene) -> bytes:
    return stream_bytes(scene.dialect) if scene.stream else answer(scene.whole)


def _empty(scene: Scene) -> Steps:
    """An answer without an answer in it."""
    body = json.loads(scene.whole)
    hollow = {
        "openai_chat": {"choices": []},
        "openai_responses": {"output": [], "usage": None},
        "anthropic": {"content": []},
        "gemini": {"candidates": []},
        "bedrock": {"output": {"message": {"role": "assistant", "content": []}}},
    }[scene.dialect]
    if not scene.stream:
        return [Send(answer(json.dumps(body | hollow).encode()))]
    said = [
        frame
        for frame in frames(scene.dialect)
        if not any(p in frame for p in (b"bridge", b"Avignon", b"has four", b"arches"))
    ]
    if scene.dialect == "gemini":
        said = [
            b"data: " + json.dumps({**json.loads(whole_body("gemini")), "candidates": []}).encode() + b"\n\n"
        ]
    return [Send(chunked_head() + b"".join(chunk(frame) for frame in said) + LAST_CHUNK)]


def _without_length(scene: Scene) -> Steps:
    """A whole answer that ends where the connection does."""
    kind = b"text/event-stream" if scene.stream else b"application/json"
    said = b"".join(frames(scene.dialect)) if scene.stream else scene.whole
    return [Send(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n\r\n%b" % (kind, said)), Close()]


def _short_without_length(scene: Scene) -> Steps:
    kind = b"text/event-stream" if scene.stream else b"application/json"
    begun = before_content(scene.dialect) or [frames(scene.dialect)[0][:90]]
    said = b"".join(begun) if scene.stream else scene.whole[:-30]
    return [Send(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n\r\n%b" % (kind, said)), Close()]


def _squeezed(scene: Scene) -> Steps:
    """A decompression bomb: 300 KB that would be 300 MB."""
    return [Send(_BOMB)]


def _bomb() -> bytes:
    data = gzip.compress(b"\n" * (64 << 20), 9)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
    return head + b"content-length: %d\r\n\r\n" % len(data) + data


_BOMB = _bomb()


def _redirect(status: int) -> Callable[[Scene], Steps]:
    return lambda s: [Send(answer(b"", status=status, headers=[("location", s.canary)]))]


def _error(status: int, **headers: str) -> Callable[[Scene], Steps]:
    return lambda s: failing(status, TELLS, **headers)(s.dialect)


def _refusal(status: int, words: str, code: str) -> Callable[[Scene], Steps]:
    return lambda s: failing(status, words, code=code)(s.dialect)


def _date(_: Scene) -> Steps:
    later = formatdate(4_000_000_000, usegmt=True)
    return failing(429, TELLS, retry_after=later)("openai_chat")


def _twice(scene: Scene) -> Steps:
    """A whole answer, and bytes that nobody asked for after it."""
    return [Send(_good(scene) + answer(b'{"late": true}'))]


def _once(name: str, steps: Callable[[Scene], Steps], *failures: FailureKind, **more: bool) -> Fault:
    return Fault(name, steps, failures, at=("before",), **more)


def _only(
    stream: bool, name: str, steps: Callable[[Scene], Steps], *failures: FailureKind, **more: bool
) -> Fault:
    return Fault(name, steps, failures, at=("before",), streams=(stream,), **more)


REPLACES = (
    _once("429", _error(429), "rate_limited"),
    _once("429 with seconds", _error(429, retry_after="2"), "rate_limited", opens=True),
    _once("429 with a date", _date, "quota", opens=True),
    _once("500", _error(500), "server_error"),
    _once("502 with a page", _bytes(answer(PAGE, status=502, headers=HTML)), "server_error"),
    _once("503", _error(503), "overloaded"),
    _once("503 with seconds", _error(503, retry_after="2"), "overloaded", opens=True),
    _once("529", _error(529), "overloaded"),
    _once("401", _error(401), "auth"),
    _once("402", _error(402), "billing"),
    _once("403", _error(403), "auth"),
    _once("404", _error(404), "not_found"),
    _once("408", _error(408), "timeout"),
    _once("an error without words", _bytes(answer(b"", status=500)), "server_error"),
    _once(
        "an error that stalls",
        _bytes(b"HTTP/1.1 503 Busy\r\ncontent-length: 99\r\n\r\n{", Close()),
        "overloaded",
    ),
    _once(
        "a malformed request",
        _refusal(400, "`temperature` is too hot", "invalid_value"),
        "invalid_request",
        refusal=True,
    ),
    _once(
        "too long a context",
        _refusal(400, "maximum context length is 8192 tokens", "context_length_exceeded"),
        "context_length",
        refusal=True,
    ),
    _once(
        "a refusal by policy",
        _refusal(400, "rejected by our content management policy", "content_policy_violation"),
        "content_policy",
        refusal=True,
    ),
    _once("redirected 302", _redirect(302), "protocol"),
    _once("redirected 307", _redirect(307), "protocol"),
    _once("redirected 308", _redirect(308), "protocol"),
    _once("no content", _bytes(b"HTTP/1.1 204 No Content\r\n\r\n"), "protocol"),
    _once("an empty body", _bytes(answer(b"")), "protocol"),
    _once("a login page", _bytes(answer(PAGE, headers=HTML)), "protocol"),
    _once(
        "an error under 200",
        lambda s: [Send(answer(error_said(s.dialect)))],
        "server_error",
        "overloaded",
        "protocol",
    ),
    _once("a decompression bomb", _squeezed, "protocol"),
    _once(
        "a head that drips",
        lambda _: [_dripping(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 400)],
        "timeout",
        waits=True,
    ),
    _once("a head of 2 MB", _bytes(b"HTTP/1.1 200 OK\r\nx: " + b"a" * (2 << 20) + b"\r\n\r\n"), "protocol"),
    _once("a thousand headers", _bytes(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1_000 + b"\r\n"), "protocol"),
    _once(
        "a change of protocol",
        _bytes(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n"),
        "protocol",
    ),
    _once("no HTTP", _bytes(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Close()), "protocol"),
    _once("HTTP/0.9", _bytes(b"hello there\n", Close()), "protocol"),
    _once(
        "two lengths",
        lambda s: [Send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 9\r\n\r\n{}")],
        "protocol",
    ),
    _once(
        "a length and chunks",
        lambda s: [
            Send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
        ],
        "protocol",
    ),
    _once("bare line feeds", _bytes(b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}"), "protocol"),
    _once("waits without end", lambda _: [Flood(b"HTTP/1.1 100 Continue\r\n\r\n", 200)], "protocol"),
    _once("an empty answer", _empty, "protocol"),
    _once("a short body without length", _short_without_length, "protocol"),
    _once("a body without length", _without_length, harmless=True),
    _once(
        "early hints",
        lambda s: [Send(b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n" * 2 + _good(s))],
        harmless=True,
    ),
    _once("an answer after the answer", _twice, "protocol", either=True),
    _only(True, "an empty stream", _bytes(chunked_head() + LAST_CHUNK), "protocol"),
    _only(True, "a whole answer for a stream", lambda s: [Send(answer(s.whole))], "protocol"),
    _only(False, "a stream for a whole answer", lambda s: [Send(stream_bytes(s.dialect))], "protocol"),
    _only(False, "a short body", lambda s: [Send(answer(s.whole)[:-20]), Close()], "transport"),
    _only(False, "half a document", lambda s: [Send(answer(s.whole[:-9]))], "protocol"),
    _only(False, "an empty document", _bytes(answer(b"{}")), "protocol"),
    _only(False, "a list", _bytes(answer(b"[]")), "protocol"),
    _only(
        False,
        "a body of any size",
        _bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{", Flood(b" " * 65_536, 64)),
        "protocol",
    ),
    _only(
        False,
        "an endless body",
        lambda _: [Send(chunked_head(content_type="application/json")), Flood(chunk(b" " * 65_536))],
        "protocol",
        "timeout",
    ),
)

FAULTS = (*BREAKS, *REPLACES)
BY_NAME = {fault.name: fault for fault in FAULTS}
assert len(BY_NAME) == len(FAULTS)
