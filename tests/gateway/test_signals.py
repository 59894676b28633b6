"""What answers tell without anybody: their form, and that they were asked for again."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from tests import worlds

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, ReplyContext
from passerelle.core.cascade import Cascade, Cascaded
from passerelle.core.event import Event, Finished, PartDelta, PartEnded, PartStarted, Started
from passerelle.core.message import TextPart, ToolCallPart
from passerelle.core.outcome import GATEWAY, WEIGHTS, Judged, Outcome, window
from passerelle.core.plan import Candidate, Choice, Plan
from passerelle.core.principal import ROLE_PERMISSIONS, Principal, Rights
from passerelle.core.receipt import Receipt
from passerelle.core.request import Dialect
from passerelle.core.response import Response
from passerelle.core.usage import NO_USAGE
from passerelle.gateway.learning import signals
from passerelle.gateway.learning.signals import Answered, Gathered, Signals
from passerelle.gateway.sighting import Seen
from passerelle.gateway.trip import Ask
from passerelle.router.quality.base import Sight

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
PLACE = worlds.deployment("p/good", worlds.model("good", quality=0.8))
CATALOG: Any = SimpleNamespace(by_id={PLACE.id: PLACE})
STREAM = ReplyContext("1", "good", 0)


class Clock:
    now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s


class Kept:
    """Outcomes, as a store keeps them."""

    def __init__(self) -> None:
        self.feedback = self
        self.rows: list[Judged] = []

    def add(self, org_id: str, judged: Judged, *, actor: str) -> None:
        assert (org_id, actor) == ("org", GATEWAY)
        self.rows.append(judged)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def found(kept: Kept, clock: Clock) -> Signals:
    return Signals(kept, clock)  # type: ignore[arg-type]


def answered(
    clock: Clock,
    body: dict[str, Any] | None = None,
    answer: bytes | None = None,
    *,
    receipt: str = "rcp_1",
    stream: bool = False,
    words: str = "Where is it?",
    turn: int = 1,
    called: int | None = None,
    opened: int | None = 7,
    features: bytes | None = b"packed",
    key: str = "key",
    dialect: Dialect = "openai_chat",
) -> Answered:
    principal = Principal("org", "w", "p", key, "k", "member", ROLE_PERMISSIONS["member"], Rights())
    told = json.dumps({"model": "smart", "messages": [{"role": "user", "content": words}], **(body or {})})
    ask = Ask(principal, dialect, PathTarget("chat"), told.encode(), "req", receipt, 0, clock.now_s - 1)
    choice = Choice("q1", features=features)
    candidate = Candidate(PLACE.id, "good", 1.0)
    plan = Plan("smart", "balanced", "internal", (candidate,), (), 1, "p", "c", choice=choice)
    made = Receipt(
        receipt, "req", 0, "org", "w", "p", key, dialect, "chat", stream, "answered", plan, (),
        NO_USAGE, 0, "USD", 0, 1,
        deployment=PLACE.id,
    )  # fmt: skip
    seen = Seen(Sight(words, features=features), turn=turn, opened=opened, called=called)
    return Answered(ask, made, CATALOG, seen, None if answer is None else [answer])


def usable(judged: Judged) -> bool:
    return judged.features is not None


def same(one: bytes, other: bytes) -> bool:
    return one == other


async def told(found: Signals, kept: Kept, *cases: Answered) -> list[tuple[str, int, int]]:
    for case in cases:
        found.answered(case, usable, same)
    await found.tell(usable)
    assert found.idle
    return [(one.source, one.score_ppm, one.weight_ppm) for one in kept.rows]


def whole(response: Response) -> bytes:
    return registry.client("openai_chat").encode_response(response, STREAM)


def streamed(*events: Event) -> bytes:
    encoder = registry.client("openai_chat").stream_encoder(STREAM)
    return b"".join(encoder.encode(event) for event in events)


HINT = round(WEIGHTS["form"] * 1_000_000)


@pytest.mark.parametrize(
    ("text", "score"), [('{"city": "Lyon"}', 800_000), ('{"town": "Lyon"}', 0), ("Lyon.", 0)]
)
async def test_an_answers_form_counts_as_the_catalogs_word_or_as_nothing(
    found: Signals, kept: Kept, clock: Clock, text: str, score: int
) -> None:
    body = {"response_format": FORMAT}
    case = answered(clock, body, whole(Response((TextPart(text),), "stop")))
    assert await told(found, kept, case) == [("schema", score, HINT)]
    assert kept.rows[0].prior_ppm == 800_000


async def test_calls_are_held_against_their_tools_in_whole_answers_and_streams(
    found: Signals, kept: Kept, clock: Clock
) -> None:
    good = Response((ToolCallPart("c", "weather", '{"city": "Lyon"}'),), "tool_calls")
    bad = [
        Started("good"),
        PartStarted(0, "tool_call", "c", "weather"),
        PartDelta(0, '{"ci'),
        PartDelta(0, 'ty": 5}'),
        PartEnded(0),
        Finished("tool_calls"),
    ]
    body = {"tools": [TOOL]}
    cases = [answered(clock, body, whole(good)), answered(clock, body, streamed(*bad), stream=True)]
    assert [score for _, score, _ in await told(found, kept, *cases)] == [800_000, 0]


async def test_a_stream_without_its_end_and_an_answer_in_words_tell_nothing(
    found: Signals, kept: Kept, clock: Clock
) -> None:
    cut = streamed(Started("good"), PartStarted(0, "text"), PartDelta(0, '{"city"'))
    cases = [
        answered(clock, {"response_format": FORMAT, "stream": True}, cut, stream=True),
        answered(clock, {"tools": [TOOL]}, whole(Response((TextPart("Sunny."),), "stop"))),
        answered(clock, {"response_format": FORMAT}, whole(Response((TextPart('{"ci'),), "length"))),
        answered(clock, {"response_format": FORMAT}, b"no answer at all"),
        answered(clock, {"response_format": FORMAT}, b""),
    ]
    assert await told(found, kept, *cases) == []


@pytest.mark.parametrize(
    ("verifier", "end", "by_first", "looked_at"),
    [
        ("schema", "accepted", True, False),
        ("schema", "kept", True, False),
        ("schema", "escalated", False, True),
        ("tests", "accepted", True, True),
    ],
)
async def test_what_a_cascade_tells_of_is_not_told_twice(
    found: Signals, kept: Kept, clock: Clock, verifier: Any, end: Any, *, by_first: bool, looked_at: bool
) -> None:
    case = answered(clock, {"response_format": FORMAT}, whole(Response((TextPart("Lyon."),), "stop")))
    first = PLACE.id if by_first else "p/cheap"
    cascade = Cascade(verifier, "", first=first, then="p/other")
    assert case.receipt.plan is not None
    plan = replace(case.receipt.plan, cascade=cascade)
    receipt = replace(case.receipt, plan=plan, cascade=Cascaded(end, "why"))
    assert bool(await told(found, kept, replace(case, receipt=receipt))) is looked_at


async def test_what_could_not_be_learned_from_is_not_kept(found: Signals, kept: Kept, clock: Clock) -> None:
    answer = whole(Response((TextPart("Lyon."),), "stop"))
    assert await told(found, kept, answered(clock, {"response_format": FORMAT}, answer, features=None)) == []


def test_one_answer_in_ten_seconds_is_looked_at_of_those_that_ask_for_a_form(
    found: Signals, clock: Clock
) -> None:
    form = frozenset({"json_schema", "images"})
    assert not found.looks("org", frozenset({"images"}))
    assert found.looks("org", form)
    assert not found.looks("org", form)
    assert found.looks("other", form)
    clock.now_s += signals.FORM_EVERY_S
    assert found.looks("org", form)


def test_a_long_answer_is_let_go_of_while_it_comes() -> None:
    pieces = Gathered()
    pieces.append(b"a" * 1000)
    assert len(pieces) == 1
    pieces.append(b"b" * signals.MOST_BYTES)
    pieces.append(b"c")
    assert not pieces


RETRIED = ("retried", 0, round(WEIGHTS["seen asked again"] * 1_000_000))


async def test_a_turn_that_is_asked_again_speaks_weakly_against_the_answer_before(
    found: Signals, kept: Kept, clock: Clock
) -> None:
    found.answered(answered(clock, turn=3, receipt="rcp_1"), usable, same)
    clock.now_s += 30
    assert await told(found, kept, answered(clock, turn=3, receipt="rcp_2")) == [RETRIED]
    assert kept.rows[0].receipt_id == "rcp_1"


@pytest.mark.parametrize(
    ("first", "again", "later_s"),
    [
        ({"turn": 3}, {"turn": 4}, 30),
        ({"turn": 3}, {"turn": 3, "opened": 8}, 30),
        ({"turn": 3}, {"turn": 3, "key": "another"}, 30),
        ({"turn": 3}, {"turn": 3, "words": "Who?", "features": b"other"}, 30),
        ({"turn": 3}, {"turn": 3}, 200),
        ({"turn": 3}, {"turn": 3}, 0.5),  # both were under way at once: samples of one question
        ({"turn": 1}, {"turn": 1}, 30),  # anybody's first question
        ({"turn": 3, "features": None}, {"turn": 3, "features": None}, 30),
    ],
)
async def test_another_question_or_caller_or_time_is_no_retry(
    found: Signals, kept: Kept, clock: Clock, first: dict[str, Any], again: dict[str, Any], later_s: float
) -> None:
    before = answered(clock, **first)
    found.answered(before, usable, same)
    clock.now_s += later_s
    assert await told(found, kept, answered(clock, receipt="rcp_2", **again)) == []


async def test_a_conversation_with_a_name_may_ask_its_first_question_again_and_nearly_the_same_counts(
    found: Signals, kept: Kept, clock: Clock
) -> None:
    pack = pytest.importorskip("passerelle.router.quality.view").pack
    alike = pytest.importorskip("passerelle.router.quality.view").alike
    said = (
        "Write a short letter to the supplier about the late delivery.",
        "write a short letter to the supplier, about the late delivery!!",
        "Translate the annual report into French for the board.",
    )
    for number, words in enumerate(said):
        features = pack(Sight(words), None)
        case = answered(clock, words=words, features=features, called=5, receipt=f"rcp_{number}")
        found.answered(case, usable, alike)
        clock.now_s += 10
    await found.tell(usable)
    assert [one.receipt_id for one in kept.rows] == ["rcp_0"]


def test_what_the_gateway_saw_does_not_push_out_what_was_told() -> None:
    def outcome(number: int, actor: str) -> Outcome:
        return Outcome(number, actor, 0, Judged("r", "p", "d", "m", "schema", 0))

    rows = [outcome(n, "key" if n % 10 == 0 else GATEWAY) for n in range(1, 201)]
    taken = window(rows, 16)
    assert [one.number for one in taken if one.actor == "key"] == list(range(50, 201, 10))
    assert [one.number for one in taken if one.actor == GATEWAY] == [196, 197, 198, 199]
    assert [one.number for one in taken] == sorted(one.number for one in taken)
    assert window(rows[9::10], 16) == rows[9::10][-16:]
