"""The 31 named faults, and what a gateway may make of each.

Sixteen are public: the scenarios S01 to S16 of Failover Bench (github.com/failoverbench/failoverbench,
`scenarios/catalogue.yaml` of version 0.1, read 2026-11-22), told here in our words and played in five
dialects. Fifteen are harder: what gateways were seen to take for an answer (issue BerriAI/litellm #40404 and
its kin).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.faultd import LAST_CHUNK, Close, Flood, Hang, Reset, Send, Step, Wait, answer, chunk, chunked_head
from tests.faults.fault_catalogue import BY_NAME, HTML, PAGE
from tests.faults.fault_scene import APART_S, Scene, error_frame, error_said, event
from tests.gateway.faulty import failing
from tests.gateway.stage import frames, lead_in

from passerelle.core.request import Dialect

Outcome = Literal["whole", "refused", "told", "left", "error"]
"""The whole answer; the provider's refusal; an honest error in the dialect after a part; the caller had
gone; an honest error with its status, where there was nobody else to ask."""
Steps = Sequence[Step]


@dataclass(frozen=True)
class Named:
    """One of the 31."""

    number: str
    what: str
    """What the provider does, or the caller."""
    steps: Callable[[Scene], Steps]
    stream: Outcome
    """What `x-passerelle-delivery: stream` makes of it."""
    verified: Outcome = "whole"
    again: bool = False
    """Every attempt at the first place goes so, not only the first."""
    only: tuple[Dialect, ...] = ()
    """Dialects that know it; all of them unless said."""


def _begun(scene: Scene, pieces: int = 2) -> list[Step]:
    """The head and the first pieces of a stream, each on its own."""
    said, lead = frames(scene.dialect), lead_in(scene.dialect)
    steps: list[Step] = [Send(chunked_head() + b"".join(chunk(f) for f in said[:lead]))]
    for frame in said[lead : lead + pieces]:
        steps += [Send(chunk(frame)), Wait(APART_S)]
    return steps


def _then(*steps: Step) -> Callable[[Scene], Steps]:
    return lambda scene: [*_begun(scene), *steps]


def _saying(make: Callable[[Dialect], bytes], *, rest: bool = False) -> Callable[[Scene], Steps]:
    """Two pieces, then a frame, then the end, or the rest as if nothing had been."""

    def steps(scene: Scene) -> Steps:
        said = frames(scene.dialect)[lead_in(scene.dialect) + 2 :] if rest else []
        return [*_begun(scene), Send(chunk(make(scene.dialect)) + b"".join(map(chunk, said)) + LAST_CHUNK)]

    return steps


def _torn(dialect: Dialect) -> bytes:
    frame = frames(dialect)[lead_in(dialect) + 2]
    return frame[: len(frame) // 2]


def _late(scene: Scene) -> Steps:
    """A head at once, and the first word when nobody waits any more."""
    first = frames(scene.dialect)[: lead_in(scene.dialect)]
    rest = frames(scene.dialect)[lead_in(scene.dialect) :]
    return [
        Send(chunked_head() + b"".join(map(chunk, first))),
        Wait(2.0),
        Send(b"".join(map(chunk, rest)) + LAST_CHUNK),
    ]


def _without_last(scene: Scene) -> Steps:
    said = frames(scene.dialect)[:-1]
    return [Send(chunked_head() + b"".join(map(chunk, said)) + LAST_CHUNK)]


def _twice_ended(scene: Scene) -> Steps:
    """A whole stream, and its last frames once more."""
    said = frames(scene.dialect)
    return [Send(chunked_head() + b"".join(map(chunk, [*said, *said[-2:]])) + LAST_CHUNK)]


def _status(
    status: int, words: str = "busy", code: str | None = None, **headers: str
) -> Callable[[Scene], Steps]:
    return lambda scene: failing(status, words, code=code, **headers)(scene.dialect)


def _as(name: str) -> Callable[[Scene], Steps]:
    return BY_NAME[name].steps


def _good(scene: Scene) -> Steps:
    return [Send(chunked_head() + b"".join(map(chunk, frames(scene.dialect))) + LAST_CHUNK)]


def _pings(scene: Scene) -> Steps:
    return [Send(chunked_head()), *BY_NAME["pings only"].steps(scene)[1:]]


TOO_LONG = "This model's maximum context length is 8192 tokens; your messages resulted in 9001."
FILTERED = "The response was filtered by the content management policy."

_ENDED: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "bedrock")
"""Dialects with a mark of the end. A stream of Gemini's ends where its bytes do: one more frame is more of
the answer."""

PUBLIC = (
    Named("P1", "429 with `retry-after: 1`, once", _status(429, retry_after="1"), "whole"),
    Named("P2", "429 without `retry-after`, again and again", _status(429), "whole", again=True),
    Named("P3", "500, once", _status(500), "whole"),
    Named("P4", "503, again and again", _status(503), "whole", again=True),
    Named("P5", "a reset before the head, again and again", lambda _: [Reset()], "whole", again=True),
    Named("P6", "silence", lambda _: [Hang()], "whole", again=True),
    Named("P7", "a first word that comes too late", _late, "whole"),
    Named("P8", "a cut in the middle", _then(Close()), "told"),
    Named("P9", "a stall in the middle", _then(Hang()), "told"),
    Named(
        "P10",
        "an event that is no JSON, and then the rest",
        _saying(lambda d: event(d, b'{"nope'), rest=True),
        "told",
    ),
    Named("P11", "a stream without `[DONE]`", _without_last, "whole", only=("openai_chat",)),
    Named(
        "P12",
        "a context that is too long",
        _status(400, TOO_LONG, "context_length_exceeded"),
        "refused",
        "refused",
        again=True,
    ),
    Named(
        "P13",
        "a refusal by the content filter",
        _status(400, FILTERED, "content_policy_violation"),
        "refused",
        "refused",
        again=True,
    ),
    Named("P14", "a cut, where the next place takes no begun answer", _then(Reset()), "told"),
    Named("P15", "down for a while, then well again", _status(503), "whole", again=True),
    Named("P16", "503: who is billed, and for what", _status(503), "whole", again=True),
)

HARDER = (
    Named("H1", "a head that comes a byte at a time", _as("a head that drips"), "whole", again=True),
    Named("H2", "pings, and nothing else", _pings, "whole", again=True),
    Named(
        "H3",
        "a line without end",
        lambda s: [*_begun(s, 0), Send(chunk(b'data: {"a": "')), Flood(chunk(b"a" * 65_536))],
        "whole",
        again=True,
    ),
    Named("H4", "a login page with 200", lambda _: [Send(answer(PAGE, headers=HTML))], "whole", again=True),
    Named("H5", "an error as JSON in the middle of a stream", _saying(error_said), "told"),
    Named("H6", "a decompression bomb", _as("a decompression bomb"), "whole", again=True),
    Named(
        "H7",
        "a body shorter than it said",
        lambda s: [
            Send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 90000\r\n\r\n"),
            *([Send(b"".join(frames(s.dialect)[: lead_in(s.dialect)]))] if lead_in(s.dialect) else []),
            Close(),
        ],
        "whole",
    ),
    Named("H8", "an end that is said twice", _twice_ended, "whole", only=_ENDED),
    Named("H9", "an answer without an answer in it", _as("an empty answer"), "whole", again=True),
    Named("H10", "the dialect's own error in the middle", _saying(error_frame), "told"),
    Named("H11", "an event that ends half-way", _saying(_torn), "told"),
    Named("H12", "a redirect to elsewhere", _as("redirected 307"), "whole", again=True),
    Named("H13", "the caller goes away", lambda s: [*_begun(s), Hang()], "left", "left"),
    Named("H14", "the caller reads slowly", _good, "whole"),
    Named("H15", "a clean end without an end", _then(Send(LAST_CHUNK)), "told"),
)

NAMED = (*PUBLIC, *HARDER)
assert len(PUBLIC) == 16
assert len(HARDER) == 15
