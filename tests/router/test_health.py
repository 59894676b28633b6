"""The health of places: what outcomes do to a breaker, and what breakers do to an order of trying."""

from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import FailureKind
from passerelle.router.health import (
    ANSWERED,
    CIRCUIT_OF,
    CIRCUITS,
    LONGEST_TOLD_S,
    Rules,
    Tally,
    Vital,
)
from passerelle.router.standing import standings

RULES = Rules()
KINDS = sorted(CIRCUIT_OF)
PLACES = tuple(f"p/{number}" for number in range(6))


def failed(
    vital: Vital, now_s: float, kind: FailureKind = "server_error", *, started_s: float | None = None
) -> str | None:
    began_s = now_s if started_s is None else started_s
    return vital.failed(kind, now_s, started_s=began_s, window=Tally(bad=1), draw=0.5, rules=RULES)


def opened(now_s: float = 100.0, kind: FailureKind = "server_error") -> Vital:
    vital = Vital()
    for _ in range(RULES.open_after):
        failed(vital, now_s, kind)
    return vital


steps = st.lists(
    st.tuples(
        st.sampled_from(PLACES),
        st.sampled_from([*KINDS, "ok", "ok", "told", "probe"]),
        st.floats(0.0, 40.0),  # seconds since the step before
        st.floats(0.0, 10.0),  # how long the attempt took
    ),
    max_size=60,
)


def played(history: list[tuple[str, str, float, float]]) -> tuple[dict[str, Vital], float]:
    """The places after that history, and when it ended."""
    vitals = {place: Vital() for place in PLACES}
    now_s = 1000.0
    for place, what, after_s, took_s in history:
        now_s += after_s
        vital = vitals[place]
        if what == "ok":
            vital.answered(now_s, started_s=now_s - took_s)
        elif what == "told":
            vital.tell("requests", took_s, now_s)
        elif what == "probe":
            if vital.open:
                vital.take_probe(now_s, RULES)
        else:
            failed(vital, now_s, what, started_s=now_s - took_s)  # type: ignore[arg-type]
    return vitals, now_s


@given(
    history=steps,
    count=st.integers(1, len(PLACES)),
    draw=st.floats(0, 1, exclude_max=True),
    shares=st.dictionaries(st.sampled_from(PLACES), st.floats(0, 1)),
)
def test_the_set_is_kept_half_of_it_at_most_shut_off_and_one_place_always_tried(
    history: list[tuple[str, str, float, float]], count: int, draw: float, shares: dict[str, float]
) -> None:
    vitals, now_s = played(history)
    places = PLACES[:count]
    found = standings(places, vitals, shares, now_s=now_s, draw=draw, rules=RULES)

    assert found.keys() <= set(places)
    assert sum(standing.ejected for standing in found.values()) <= count // 2
    assert sum(standing.last for standing in found.values()) < count
    assert all(standing.why for standing in found.values())
    assert all(standing.last for standing in found.values() if standing.ejected or standing.spared)
    assert standings(places, vitals, shares, now_s=now_s, draw=draw, rules=RULES) == found
    assert played(history)[0] == vitals


@given(history=steps)
def test_a_place_that_recovered_is_a_place_like_any_other(
    history: list[tuple[str, str, float, float]],
) -> None:
    vitals, now_s = played(history)
    for vital in vitals.values():
        at_s = now_s
        while vital.open:  # it is tried out at the first occasion, and answers
            at_s = max(at_s, vital.probe_at_s, vital.probe_until_s)
            assert at_s <= now_s + RULES.probe_every_s + 1e-6
            assert vital.take_probe(at_s, RULES)
            vital.answered(at_s + 1, started_s=at_s)
    later_s = now_s + LONGEST_TOLD_S + RULES.probe_every_s + 2
    assert standings(PLACES, vitals, {}, now_s=later_s, draw=0.5, rules=RULES) == {}


@given(history=steps, asks=st.lists(st.floats(0, 30), min_size=1, max_size=30))
def test_one_request_at_a_time_tries_a_place_out(
    history: list[tuple[str, str, float, float]], asks: list[float]
) -> None:
    vitals, now_s = played(history)
    vital = vitals[PLACES[0]]
    taken: list[float] = [vital.probe_until_s - RULES.probe_every_s]
    for after_s in asks:
        now_s += after_s
        if vital.take_probe(now_s, RULES):
            taken.append(now_s)
    assert all(later - earlier >= RULES.probe_every_s - 1e-6 for earlier, later in pairwise(taken))


@given(
    outcomes=st.lists(st.booleans(), min_size=1, max_size=80),
    kind=st.sampled_from(KINDS),
)
def test_a_breaker_opens_after_five_in_a_row_or_half_of_twenty(
    outcomes: list[bool], kind: FailureKind
) -> None:
    vital, row, ok, bad = Vital(), 0, 0, 0
    for good in outcomes:
        if good:
            row, ok = 0, ok + 1
            vital.answered(100.0, started_s=99.0)
            continue
        row, bad = row + 1, bad + 1
        circuit = vital.failed(kind, 100.0, started_s=99.0, window=Tally(ok, bad), draw=0.5, rules=RULES)
        should = row >= 5 or (ok + bad >= 20 and bad * 2 >= ok + bad)
        assert circuit == (CIRCUIT_OF[kind] if should else None)
        if should:
            assert vital.open == [CIRCUIT_OF[kind]]
            return
    assert vital.open == []


@given(draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=12))
def test_periods_double_up_to_five_minutes_but_it_is_tried_out_every_twenty_seconds(
    draws: list[float],
) -> None:
    vital = opened(0.0)
    for number, draw in enumerate(draws, 1):
        at_s = vital.probe_at_s
        vital.failed("server_error", at_s, started_s=at_s, window=Tally(), draw=draw, rules=RULES)
        period_s = vital.until_s - at_s
        doubled_s = RULES.open_s * 2**number
        assert min(0.8 * doubled_s, 300.0) - 1e-6 <= period_s <= min(1.2 * doubled_s, 300.0) + 1e-6
        assert 0 < vital.probe_at_s - at_s <= RULES.probe_every_s + 1e-6


def test_what_began_before_it_opened_is_no_news() -> None:
    vital = opened(100.0)
    assert vital.answered(101.0, started_s=40.0) == []
    assert vital.open == ["transport"]
    before = vital.until_s
    assert failed(vital, 130.0, started_s=99.0) is None
    assert vital.until_s == before
    assert vital.answered(131.0, started_s=130.0) == ["transport"]
    assert vital.open == []


def test_circuits_are_apart() -> None:
    vital = Vital()
    kinds: tuple[FailureKind, ...] = ("auth", "quota", "overloaded", "timeout", "protocol")
    for _ in range(4):
        assert [failed(vital, 100.0, kind) for kind in kinds] == [None] * 5
    assert [failed(vital, 100.0, kind) for kind in kinds] == list(CIRCUITS)


def test_every_kind_of_failure_is_the_places_or_the_requests_or_says_nothing() -> None:
    silent = set(get_args(FailureKind)) - CIRCUIT_OF.keys() - ANSWERED
    assert silent == {"oversized", "cancelled"}
    assert not CIRCUIT_OF.keys() & ANSWERED


def test_a_place_says_how_long_it_is_put_last_and_why() -> None:
    vitals = {"p/0": opened(100.0), "p/1": Vital()}
    found = standings(PLACES[:2], vitals, {}, now_s=102.0, draw=0.5, rules=RULES)
    assert found["p/0"].why == "its breaker `transport` is open for 8 s more"
    vitals["p/0"].take_probe(111.0, RULES)
    found = standings(PLACES[:2], vitals, {}, now_s=112.0, draw=0.5, rules=RULES)
    assert found["p/0"].why == "its breaker `transport` is open and another request is trying it out"
    vitals["p/1"].tell("tokens", 30.0, 112.0)
    found = standings(PLACES[:3], vitals, {}, now_s=112.0, draw=0.5, rules=RULES)
    assert found["p/1"].why == "it has no tokens left for 30 s more"
    assert found["p/1"].last


def test_the_throttle_spares_its_share_and_counts_from_twenty_requests_on() -> None:
    assert Tally(ok=4, bad=15).throttled(20) == 0.0
    assert Tally(ok=5, bad=15).throttled(20) == (20 - 10) / 21
    assert Tally(ok=10, bad=10).throttled(20) == 0.0
    vital = Vital(failed_s=99.0)
    spared = sum(
        standings(PLACES[:2], {"p/0": vital}, {"p/0": 0.4}, now_s=100.0, draw=i / 1000, rules=RULES) != {}
        for i in range(1000)
    )
    assert 350 < spared < 450
    assert standings(PLACES[:1], {"p/0": vital}, {"p/0": 0.9}, now_s=100.0, draw=0.1, rules=RULES) == {}


def test_when_all_are_down_all_are_tried_as_if_they_were_well() -> None:
    vitals = {place: opened(100.0) for place in PLACES}
    found = standings(PLACES, vitals, {}, now_s=100.5, draw=0.5, rules=RULES)
    assert not any(standing.last for standing in found.values())
    found = standings(PLACES, vitals, {}, now_s=102.0, draw=0.5, rules=RULES)
    assert sum(standing.last for standing in found.values()) == len(PLACES) // 2
