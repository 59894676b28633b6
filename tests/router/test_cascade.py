"""The pair of a cascade: among the candidates, only where it pays, and said in words."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.cascade import Cascade, verifier_of
from passerelle.core.plan import Candidate, Choice
from passerelle.router.cascade import Acceptances, Standing, Wanted, chosen, in_words

KNOWN = Choice("q1", known=True)
WANTED = Wanted("schema")


def candidate(
    name: str, quality: float | None, nanos: int | None, *, weighed: int | None = None
) -> Candidate:
    return Candidate(
        f"{name}-provider/{name}", name, 1.0, quality=quality, cost_nanos=nanos, weighed_nanos=weighed
    )


def place(one: Candidate) -> Standing:
    return Standing(one.deployment.partition("/")[0])


def pick(
    *candidates: Candidate, choice: Choice = KNOWN, wanted: Wanted = WANTED, **standing: bool
) -> Cascade:
    """`standing`: which names are `last`, or a demo (`demo_NAME`)."""
    places = {
        one.deployment: msgspec.structs.replace(
            place(one), last=standing.get(one.model, False), demo=standing.get(f"demo_{one.model}", False)
        )
        for one in candidates
    }
    return chosen(candidates, places, choice, wanted)


GRAND = candidate("grand", 0.9, 1000)
CHEAP = candidate("cheap", 0.7, 100)


def test_the_cheap_one_goes_first_and_the_best_after_it() -> None:
    made = pick(GRAND, CHEAP)

    assert (made.first, made.then) == (CHEAP.deployment, GRAND.deployment)
    assert made.accept == pytest.approx(0.7)
    assert (made.expected_nanos, made.direct_nanos) == (400, 1000)
    assert "holds in 70% of the cases" in made.because
    assert in_words(made).startswith(
        "a cascade: first `cheap-provider/cheap`, checked by the request's schema"
    )


def test_of_several_the_one_that_is_expected_to_cost_the_least_is_first() -> None:
    poor = candidate("poor", 0.62, 10)
    fair = candidate("fair", 0.85, 150)
    assert pick(GRAND, CHEAP, poor).first == poor.deployment
    assert pick(GRAND, CHEAP, poor, fair).first == fair.deployment


def test_one_that_is_too_much_worse_is_not_asked() -> None:
    poor = candidate("poor", 0.55, 10)
    assert "nobody cheaper is within 30 points" in pick(GRAND, poor).because
    assert pick(GRAND, poor, wanted=Wanted("schema", within_points=40)).first == poor.deployment


def test_it_is_not_made_where_it_would_not_pay() -> None:
    near = candidate("near", 0.7, 800)
    made = pick(GRAND, near)
    assert (made.first, made.then) == (None, None)
    assert made.because.startswith("it would cost more than it saves")
    assert in_words(made).startswith("no cascade: it would cost more")
    # Two samples of what one pays for.
    half = candidate("half", 0.7, 400)
    assert pick(GRAND, half).first == half.deployment
    assert pick(GRAND, half, wanted=Wanted("agreement", samples=2)).first is None


def test_answers_that_did_not_hold_end_it_and_others_bring_it_back() -> None:
    memory = Acceptances()
    models = ["cheap", "grand"]
    for _ in range(40):
        memory.add("org", "schema", "cheap", held=False)
    worse = Wanted("schema", accepted=memory.of("org", "schema", models))
    assert pick(GRAND, CHEAP, wanted=worse).accept == pytest.approx(0.7 * 6 / 46, abs=1e-4)
    dear = candidate("cheap", 0.7, 200)
    assert pick(GRAND, dear, wanted=worse).first is None
    assert memory.of("other", "schema", models) == {}
    assert memory.of("org", "agreement", models) == {}
    for _ in range(400):
        memory.add("org", "schema", "cheap", held=True)
    better = Wanted("schema", accepted=memory.of("org", "schema", models))
    assert (pick(GRAND, CHEAP, wanted=better).accept or 0) > 0.9


def test_what_is_memorised_is_bounded() -> None:
    memory = Acceptances()
    for number in range(5000):
        memory.add(f"org{number}", "schema", "cheap", held=True)
    assert memory.of("org0", "schema", ["cheap"]) == {}
    assert memory.of("org4999", "schema", ["cheap"]) == {"cheap": (1.0, 1.0)}


def test_where_nothing_is_known_the_default_is_the_best() -> None:
    default = candidate("usual", 0.8, 900)
    unknown = Choice("prior", default="usual")
    assert pick(GRAND, CHEAP, default, choice=unknown).then == default.deployment
    assert (
        pick(GRAND, CHEAP, default, choice=msgspec.structs.replace(unknown, known=True)).then
        == GRAND.deployment
    )


def test_health_demos_and_sealed_reasoning_bind() -> None:
    assert pick(GRAND, CHEAP, cheap=True).first is None
    assert pick(GRAND, CHEAP, demo_cheap=True).first is None
    assert pick(GRAND, CHEAP, demo_cheap=True, demo_grand=True).first == CHEAP.deployment
    bound = Choice("q1", known=True, bound=("grand-provider",))
    assert pick(GRAND, CHEAP, choice=bound).first is None
    assert "no candidate" in pick(GRAND, CHEAP, cheap=True, grand=True).because


def test_unknown_prices_and_other_places_of_the_same_model_make_no_pair() -> None:
    assert (
        "price of `grand-provider/grand` is not known" in pick(candidate("grand", 0.9, None), CHEAP).because
    )
    assert pick(GRAND, candidate("cheap", 0.7, None)).first is None
    assert pick(GRAND, candidate("cheap", None, 1)).first is None
    other = Candidate("elsewhere/grand", "grand", 1.0, quality=0.9, cost_nanos=10)
    places = {one.deployment: place(one) for one in (GRAND, other)}
    assert chosen((GRAND, other), places, KNOWN, WANTED).first is None


def test_what_is_committed_is_weighed_as_everywhere() -> None:
    committed = candidate("grand", 0.9, 1000, weighed=0)
    assert pick(committed, CHEAP).first is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.none() | st.floats(0, 1),
            st.none() | st.integers(0, 10**9),
            st.booleans(),
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([(), ("a-provider",), ("b-provider", "c-provider")]),
    st.integers(1, 3),
    st.floats(0, 100),
)
def test_the_pair_is_always_of_the_candidates_and_always_pays(
    told: list[tuple[str, float | None, int | None, bool, bool]],
    bound: tuple[str, ...],
    samples: int,
    within: float,
) -> None:
    candidates = [
        Candidate(f"{model}-provider/{place}", model, 1.0, quality=quality, cost_nanos=nanos)
        for place, (model, quality, nanos, _, _) in enumerate(told)
    ]
    places = {
        one.deployment: Standing(f"{one.model}-provider", last, demo)
        for one, (_, _, _, last, demo) in zip(candidates, told, strict=True)
    }
    choice = Choice("q1", known=True, bound=bound)
    wanted = Wanted("agreement", samples=samples, within_points=within)

    made = chosen(candidates, places, choice, wanted)

    assert made == chosen(candidates, places, choice, wanted)
    assert made.because
    assert (made.first is None) == (made.then is None)
    if made.first is not None and made.then is not None:
        by_id = {one.deployment: one for one in candidates}
        first, then = by_id[made.first], by_id[made.then]
        assert first.model != then.model
        assert made.expected_nanos is not None
        assert made.direct_nanos is not None
        assert made.expected_nanos <= made.direct_nanos
        assert (first.cost_nanos or 0) < (then.cost_nanos or 0)
        for one in (first, then):
            assert not places[one.deployment].last
            assert not bound or places[one.deployment].provider in bound


@pytest.mark.parametrize(
    ("word", "means"),
    [
        ("schema", ("schema", None)),
        ("agreement", ("agreement", None)),
        ("tests:a b", ("tests", "a b")),
        ("tests:", None),
        ("off", None),
        ("Schema", None),
        ("", None),
    ],
)
def test_a_word_means_one_verifier_or_nothing(word: str, means: object) -> None:
    assert verifier_of(word) == means
