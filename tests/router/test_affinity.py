"""A conversation moves for a clear gain, and for no other."""

from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.affinity import Offer, moves
from passerelle.router.utility import TRADES

offers = st.builds(
    Offer,
    st.none() | st.floats(0, 100),
    st.none() | st.integers(0, 10**12),
    st.none() | st.floats(0, 600),
)
trades = st.sampled_from([TRADES[mode] for mode in ("quality", "balanced", "cost", "fast")])


@given(offer=offers, trade=trades)
def test_nobody_moves_to_where_he_is(offer: Offer, trade: object) -> None:
    assert moves(offer, offer, trade) == ""  # type: ignore[arg-type]


@given(here=offers, there=offers, trade=trades)
def test_two_places_do_not_send_a_conversation_to_each_other(
    here: Offer, there: Offer, trade: object
) -> None:
    """For one and the same reason, that is: a gain in one sense is none in the other."""
    go, back = moves(here, there, trade), moves(there, here, trade)  # type: ignore[arg-type]
    if go and back:
        assert ("points" in go) != ("points" in back)


def test_a_little_better_is_not_better() -> None:
    here, there = Offer(90.0, 1_000, None), Offer(90.9, 1_000, None)
    assert moves(here, there, TRADES["quality"]) == ""
    assert moves(here, Offer(91.5, 1_000, None), TRADES["quality"]) == "1.5 points more"


def test_what_the_cache_saves_is_weighed_against_the_gain() -> None:
    here = Offer(88.0, 1_000, None)
    assert moves(here, Offer(90.0, 5_000, None), TRADES["quality"]) == ""
    assert moves(here, Offer(90.5, 1_500, None), TRADES["quality"])


def test_a_saving_must_be_clear_too() -> None:
    here = Offer(88.0, 1_000, None)
    assert moves(here, Offer(88.0, 950, None), TRADES["balanced"]) == ""
    assert moves(here, Offer(88.0, 800, None), TRADES["balanced"]) == "20% less a turn"
    assert moves(here, Offer(88.0, 800, None), TRADES["quality"]) == ""


def test_time_counts_where_time_is_what_is_asked_for() -> None:
    here = Offer(88.0, 1_000, 9.0)
    assert moves(here, Offer(60.0, 1, 8.0), TRADES["fast"]) == ""
    assert moves(here, Offer(60.0, 9_999, 2.0), TRADES["fast"]) == "7.0 s less a turn"
