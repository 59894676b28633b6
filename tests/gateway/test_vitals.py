"""What a worker makes of outcomes: what it logs, whom it lets in, what it allows once more."""

import logging
from dataclasses import dataclass

import pytest
from tests import worlds

from passerelle.core.errors import FailureKind
from passerelle.core.plan import Candidate, Plan
from passerelle.gateway.tour import Tour
from passerelle.gateway.vitals import Report, Vitals
from passerelle.providers.failures import Failure, classify
from passerelle.providers.failures.wait import spent
from passerelle.telemetry.metrics import Metrics

POOL = tuple(worlds.deployment(f"p/{number}") for number in range(3))
STATUS: dict[FailureKind, int] = {"server_error": 500, "auth": 401, "overloaded": 503, "invalid_request": 400}


@dataclass
class Hand:
    """A clock that is moved by hand."""

    now_s: float = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def unix_ns(self) -> int:
        return int(self.now_s * 1e9)


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def vitals(clock: Hand) -> Vitals:
    return Vitals(Metrics(), clock, lambda: 0.5)


def failure(kind: FailureKind, **headers: str) -> Failure:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    made = classify(STATUS[kind], said, b"{}", provider="p", now_s=0.0)
    assert made.kind == kind
    return made


def fail(vitals: Vitals, clock: Hand, kind: FailureKind = "server_error", times: int = 1) -> None:
    for _ in range(times):
        vitals.failed("p/0", failure(kind), started_s=clock.now_s)


def answer(vitals: Vitals, clock: Hand, place: str = "p/0", *, probing: bool = False) -> None:
    clock.now_s += 0.5
    vitals.succeeded(
        place, started_s=clock.now_s - 0.5, taken_s=0.5, first_s=0.2, tokens=30, stream=True, probing=probing
    )


def seen(vitals: Vitals) -> Report:
    return vitals.report(POOL[:1])[0]


def test_a_storm_is_two_lines(vitals: Vitals, clock: Hand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fail(vitals, clock, times=200)
    for _ in range(20):  # tried out, and still down
        clock.now_s += 20
        assert vitals.enter("p/0", "org", others=True) is True
        vitals.failed("p/0", failure("server_error"), started_s=clock.now_s, probing=True)
    clock.now_s += 20
    answer(vitals, clock)
    answer(vitals, clock)
    assert [record.message for record in caplog.records] == [
        "deployment set back: tried last until it recovers",
        "deployment recovered",
    ]


def test_one_that_keeps_asking_to_be_left_alone_is_one_line(
    vitals: Vitals, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        vitals.failed("p/0", failure("overloaded", retry_after="1"), started_s=clock.now_s)
        clock.now_s += 0.1
        assert vitals.standings(POOL, 0.5)["p/0"].last
        for _ in range(2):
            answer(vitals, clock)
    assert len(caplog.records) == 1
    clock.now_s += 61
    vitals.failed("p/0", failure("overloaded", retry_after="1"), started_s=clock.now_s)
    assert len(caplog.records) == 2


def test_the_operator_is_called_once_in_five_minutes(
    vitals: Vitals, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        fail(vitals, clock, "auth")
        answer(vitals, clock)
        clock.now_s += 5.5
    calls = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(calls) == 2


def test_one_tries_it_out_and_whoever_leaves_makes_room(vitals: Vitals, clock: Hand) -> None:
    fail(vitals, clock, times=5)
    assert vitals.standings(POOL, 0.5)["p/0"].ejected
    clock.now_s += 13
    assert not vitals.standings(POOL, 0.5)["p/0"].last
    assert vitals.enter("p/0", "org", others=True) is True
    assert vitals.enter("p/0", "org", others=True) is None
    assert vitals.enter("p/0", "org", others=False) is False
    assert vitals.standings(POOL, 0.5)["p/0"].last
    vitals.left("p/0", probing=True)
    assert vitals.enter("p/0", "org", others=True) is True
    answer(vitals, clock, probing=True)
    assert vitals.standings(POOL, 0.5) == {}
    assert seen(vitals).state == "healthy"


def test_who_tries_it_out_waits_four_times_what_is_usual_and_each_eighth_as_ever(
    vitals: Vitals, clock: Hand
) -> None:
    assert vitals.probe_waits_s("p/0", stream=True) is None  # nothing is known yet
    for first_s in (0.2, 20.0):
        vitals.succeeded(
            "p/0", started_s=clock.now_s, taken_s=30.0, first_s=first_s, tokens=30, stream=first_s < 1
        )
    vitals.measure(POOL[:1])
    assert [vitals.probe_waits_s("p/0", stream=True) for _ in range(6)] == [10.0] * 6
    assert vitals.probe_waits_s("p/0", stream=False) is None  # the eighth
    assert vitals.probe_waits_s("p/0", stream=False) == 80.0


def test_an_answer_that_says_no_to_the_request_is_a_sign_of_life(vitals: Vitals, clock: Hand) -> None:
    fail(vitals, clock, times=5)
    clock.now_s += 13
    vitals.failed("p/0", failure("invalid_request"), started_s=clock.now_s)
    assert seen(vitals).state == "healthy"


def test_a_share_of_failures_is_spared_and_a_recovery_begins_the_count_anew(
    vitals: Vitals, clock: Hand
) -> None:
    for number in range(21):
        if number % 3:
            fail(vitals, clock)
        else:
            answer(vitals, clock)
    assert seen(vitals).state == "open"
    clock.now_s += 13
    answer(vitals, clock)
    assert seen(vitals).state == "healthy"
    assert (seen(vitals).spared, vitals.standings(POOL, 0.1)) == (0.0, {})


def test_what_is_spared_is_counted(vitals: Vitals, clock: Hand) -> None:
    vitals.follow(type(vitals.rules)(open_after=1000, window_share=1.0))
    answer(vitals, clock)
    fail(vitals, clock, times=24)
    found = vitals.standings(POOL, 0.0)
    assert found["p/0"].spared
    before = seen(vitals).spared
    clock.now_s += 1
    for _ in range(10):
        vitals.spared(found)
    clock.now_s += 1
    assert seen(vitals).spared > before


def test_retries_are_a_tenth_of_a_tenants_requests_and_three_at_least(vitals: Vitals, clock: Hand) -> None:
    assert [vitals.again("p/0", "org") for _ in range(4)] == [True, True, True, False]
    assert vitals.again("p/0", "another")
    clock.now_s += 13
    for _ in range(80):
        vitals.enter("p/0", "org", others=True)
    assert [vitals.again("p/0", "org") for _ in range(9)] == [True] * 8 + [False]


def test_headers_that_say_nothing_is_left_are_believed_until_the_reset(vitals: Vitals, clock: Hand) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "7s"}
    vitals.told("p/0", headers)
    assert vitals.standings(POOL, 0.5)["p/0"].why == "it has no requests left for 7 s more"
    assert seen(vitals).state == "waiting"
    clock.now_s += 7.5
    assert vitals.standings(POOL, 0.5) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "7s"},
        {"x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"},
        {
            "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": "1970-01-01T00:00:00Z",
        },
    ],
)
def test_headers_that_say_less_are_not_guessed_at(headers: dict[str, str], clock: Hand) -> None:
    assert spent(headers, clock.unix_ns) is None


def test_a_place_that_another_tries_out_is_come_back_to_after_the_others() -> None:
    candidates = tuple(Candidate(place, "m", 1.0) for place in ("a", "b", "c"))
    tour = Tour(Plan("m", "named", "internal", candidates, (), 1, "p", "c"), lambda: 0.5)
    stops = []
    for _ in range(5):
        ahead = tour.ahead(None)
        assert ahead is not None
        stop = tour.next(ahead, None, 1.0)
        assert stop is not None
        if stop.deployment != "c" and tour.others:
            tour.defer()
            continue
        stops.append(stop.deployment)
    assert stops == ["c", "a", "b"]
    assert tour.ahead(None) is None
