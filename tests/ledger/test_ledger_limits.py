"""GCRA in whole numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.ledger.limits import START, Gcra, per_minute

SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND

gcras = st.builds(
    Gcra,
    limit=st.integers(1, 10_000_000),
    period_ns=st.sampled_from([SECOND, 60 * SECOND, 3_600 * SECOND]),
    burst=st.integers(1, 50),
)


def test_a_full_bucket_admits_its_burst_and_then_refuses() -> None:
    gcra = Gcra(limit=60, period_ns=60 * SECOND, burst=5)
    state = START
    for _ in range(5):
        state, wait = gcra.decide(state, NOW)
        assert wait is None
    unchanged, wait = gcra.decide(state, NOW)
    assert unchanged == state
    assert wait == 1.0


@given(gcras, st.lists(st.tuples(st.integers(0, 2 * SECOND), st.integers(1, 50)), max_size=60))
def test_no_window_admits_more_than_burst_and_rate(gcra: Gcra, arrivals: list[tuple[int, int]]) -> None:
    state, now, admitted = START, NOW, []
    for gap, cost in arrivals:
        now += gap
        cost = min(cost, gcra.burst)
        state, wait = gcra.decide(state, now, cost)
        if wait is None:
            admitted.append((now, cost))
    for first, (begin, _) in enumerate(admitted):
        total = 0
        for at, cost in admitted[first:]:
            total += cost
            assert total * gcra.period_ns <= gcra.burst * gcra.period_ns + (at - begin) * gcra.limit


@given(gcras, st.integers(1, 200), st.integers(0, 5_000))
def test_waiting_what_it_says_always_suffices(gcra: Gcra, cost: int, spent: int) -> None:
    state = gcra.correct(START, NOW, spent)
    state, wait = gcra.decide(state, NOW, cost)
    if wait is not None:
        later = NOW + math.ceil(wait * SECOND) + 1
        _, again = gcra.decide(state, later, cost)
        assert again is None


@given(gcras, st.integers(1, 10_000))
def test_waiting_any_less_does_not(gcra: Gcra, spent: int) -> None:
    state = gcra.correct(START, NOW, spent)
    _, wait = gcra.decide(state, NOW)
    if wait is not None:
        earlier = NOW + int(wait * SECOND) - SECOND // 1_000
        if earlier > NOW:
            assert gcra.decide(state, earlier)[1] is not None


def test_seven_per_minute_has_no_rounding_error_over_a_year() -> None:
    gcra = per_minute(7, burst=1)
    state, minutes = START, 60 * 24 * 365
    state = gcra.correct(state, NOW, 7 * minutes)
    _, wait = gcra.decide(state, NOW + minutes * 60 * SECOND)
    assert wait is None
    _, wait = gcra.decide(state, NOW + minutes * 60 * SECOND - 1)
    assert wait is not None


def test_a_cost_above_the_burst_passes_a_full_bucket_and_is_charged_whole() -> None:
    gcra = Gcra(limit=100, period_ns=SECOND, burst=10)
    state, wait = gcra.decide(START, NOW, 50)
    assert wait is None
    _, wait = gcra.decide(state, NOW, 1)
    assert wait == pytest.approx(0.41)
    _, wait = gcra.decide(state, NOW + SECOND // 2 - 1, 50)
    assert wait is not None
    _, wait = gcra.decide(state, NOW + SECOND // 2, 50)
    assert wait is None


@given(gcras, st.integers(1, 50), st.integers(1, 50))
def test_correcting_an_estimate_equals_having_known(gcra: Gcra, guess: int, real: int) -> None:
    guessed, _ = gcra.decide(START, NOW, guess)
    known, _ = gcra.decide(START, NOW, real)
    assert gcra.correct(guessed, NOW, real - guess) == known


@pytest.mark.parametrize("values", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_an_impossible_limit_is_refused_when_it_is_made(values: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Gcra(*values)


def test_a_clock_set_back_refuses_rather_than_admits() -> None:
    gcra = per_minute(60, burst=1)
    state, _ = gcra.decide(START, NOW)
    _, wait = gcra.decide(state, NOW - 10 * SECOND)
    assert wait == pytest.approx(11.0)
