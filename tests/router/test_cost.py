"""What a request will use: lengths that follow what is seen, caches that are believed as far as they keep."""

import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.cost import (
    FIRST_TURNS_OF_AN_AGENT,
    PRIOR_TOKENS,
    Caches,
    Commitment,
    Lengths,
    a_turn,
    marginal,
    turns_ahead,
)


def test_an_answer_nobody_has_seen_is_as_long_as_the_prior() -> None:
    assert Lengths().expected("new", "code") == PRIOR_TOKENS
    assert Lengths().expected("new", most=50) == 50


def test_lengths_are_learned_by_model_and_task() -> None:
    lengths, draw = Lengths(), Random(1)
    for _ in range(300):
        lengths.add("brief", "chat", max(1, round(draw.lognormvariate(math.log(60), 0.5))))
        lengths.add("wordy", "chat", max(1, round(draw.lognormvariate(math.log(900), 0.5))))
        lengths.add("wordy", "label", 3)

    assert 50 < lengths.expected("brief", "chat") < 90
    assert 800 < lengths.expected("wordy", "chat") < 1_300
    assert lengths.expected("wordy", "label") < 10


def test_the_mean_of_what_was_seen_is_met_within_a_tenth() -> None:
    """Of a log-normal the mean, which money is spent by, lies above the median."""
    lengths, draw = Lengths(), Random(2)
    seen = [max(1, round(draw.lognormvariate(6.0, 0.8))) for _ in range(3_000)]
    for tokens in seen:
        lengths.add("m", "", tokens)

    assert abs(lengths.expected("m") / (sum(seen[-600:]) / 600) - 1) < 0.15


def test_a_model_that_has_become_talkative_is_known_for_it() -> None:
    lengths = Lengths()
    for _ in range(500):
        lengths.add("m", "", 100)
    for _ in range(600):
        lengths.add("m", "", 1_000)

    assert lengths.expected("m") > 700


def test_a_pair_seen_once_does_not_speak_for_itself_yet() -> None:
    lengths = Lengths()
    lengths.add("m", "code", 100_000)

    assert lengths.expected("m", "code") < 20_000


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(("", "t")), st.integers(0, 10**7))))
def test_lengths_come_back_from_their_state(seen: list[tuple[str, str, int]]) -> None:
    lengths = Lengths()
    for model, task, tokens in seen:
        lengths.add(model, task, tokens)
    again = Lengths.from_state(lengths.state())

    assert again.state() == lengths.state()
    for model in "abc":
        assert again.expected(model, "t") == lengths.expected(model, "t") >= 1


def test_lengths_are_bounded() -> None:
    lengths = Lengths()
    for number in range(6_000):
        lengths.add(f"model-{number}", "", 10)

    assert len(lengths.state()) < 400_000
    assert lengths.expected("model-5999") < 20


def test_a_cache_that_does_not_keep_is_believed_no_more() -> None:
    caches = Caches()
    assert caches.read_share("p") > 0.8
    for _ in range(50):
        caches.add("p", fresh=1_000, read=0, written=0, had=900)
    assert caches.read_share("p") < 0.1
    assert caches.write_share("p") < 0.1
    assert Caches.from_state(caches.state()).read_share("p") == caches.read_share("p")


def test_a_first_turn_says_nothing_of_what_is_read() -> None:
    caches = Caches()
    before = caches.read_share("p")
    caches.add("p", fresh=100, read=0, written=900, had=0)
    assert caches.read_share("p") == before


@given(
    cost=st.integers(0, 10**12),
    left=st.lists(st.integers(-5, 10**12), max_size=3),
    place=st.sampled_from(("p/a", "p/b")),
)
def test_committed_money_is_spent_already(cost: int, left: list[int], place: str) -> None:
    commitments = tuple(Commitment("p", None, remaining) for remaining in left)
    added = marginal(cost, "p", place, commitments)
    assert 0 <= added <= cost
    assert added == max(0, cost - sum(max(one, 0) for one in left))
    assert marginal(cost, "q", place, commitments) == cost
    assert marginal(cost, "p", place, (Commitment("p", "p/other", 10**12),)) == cost


@given(now=st.integers(0, 10**12), later=st.integers(0, 10**12), turns=st.integers(1, 40))
def test_a_turns_cost_lies_between_the_first_and_the_others(now: int, later: int, turns: int) -> None:
    assert min(now, later) <= a_turn(now, later, turns) <= max(now, later)


def test_what_has_gone_on_goes_on_as_long_again() -> None:
    assert turns_ahead(1, tools=False, conversation=True) == 1
    assert turns_ahead(1, tools=True, conversation=True) == FIRST_TURNS_OF_AN_AGENT
    assert turns_ahead(7, tools=False, conversation=True) == 7
    assert turns_ahead(10_000, tools=True, conversation=True) == 32
    assert turns_ahead(7, tools=True, conversation=False) == 1
