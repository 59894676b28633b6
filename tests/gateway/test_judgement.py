"""Who judges quality at the road: a learner where there is one, the catalog where there is none."""

from collections.abc import Mapping, Sequence

import pytest
from tests import worlds

from passerelle.gateway.judgement import PRIOR_WIDTH, ByLearner, ByPrior, Judgement
from passerelle.router.plan import Figure, Thought, plan
from passerelle.router.quality.base import Estimate, Sight
from passerelle.router.utility import NO_PRICES

PRIORS: Mapping[str, float | None] = {"good": 0.9, "plain": 0.6, "new": None}
BOTH: Sequence[Judgement] = (ByPrior(), ByLearner())


@pytest.mark.parametrize("judgement", BOTH)
def test_where_nothing_is_learned_the_catalog_speaks_and_says_so(judgement: Judgement) -> None:
    said = judgement.estimates("org_1", Sight("Hello."), PRIORS)

    assert set(said) == {"good", "plain"}
    good = said["good"]
    assert (good.mean, good.known, good.outcomes) == (0.9, False, 0)
    assert good.low == pytest.approx(0.9 - PRIOR_WIDTH)
    assert good.high == 1.0
    assert judgement.version("org_1") == "prior"
    assert judgement.pack("org_1", Sight("Hello.")) is None
    assert judgement.explores("org_1") == 0.0


class Fixed:
    """A learner that has learned that `plain` is the better of the two."""

    version = "q1-fixed"
    words: list[str]

    def __init__(self) -> None:
        self.words = []

    def estimate(self, sight: Sight, models: Sequence[str]) -> dict[str, Estimate]:
        self.words.append("packed" if sight.features is not None else sight.words)
        known = {
            "good": Estimate(0.4, 0.3, 0.5, 120, known=True),
            "plain": Estimate(0.8, 0.7, 0.9, 120, known=True),
        }
        return {m: known.get(m, Estimate(0.5, 0.0, 1.0, 0, known=True)) for m in models}

    def pack(self, sight: Sight) -> bytes:
        return b"packed"


def test_what_one_organisation_learned_is_not_told_to_another() -> None:
    judgement, learner = ByLearner(), Fixed()
    judgement.learners["org_1"] = learner  # type: ignore[assignment]
    judgement.shares |= {"org_1": 0.02, "org_2": 0.02}
    asked = Sight("Sort the invoices of March by date.")

    own = judgement.estimates("org_1", asked, PRIORS)
    assert own["plain"].mean > own["good"].mean
    assert set(own) == {"good", "plain"}, "nobody knows anything of `new`"
    other = judgement.estimates("org_2", asked, PRIORS)
    assert other["plain"].mean < other["good"].mean
    assert (judgement.version("org_1"), judgement.version("org_2")) == ("q1-fixed", "prior")
    assert (judgement.explores("org_1"), judgement.explores("org_2")) == (0.02, 0.0)
    assert judgement.pack("org_1", asked) == b"packed"
    assert judgement.pack("org_2", asked) is None


def test_a_prediction_leads_where_the_catalog_would_have_led_elsewhere() -> None:
    from tests.router.test_plan import scene

    from passerelle.core.plan import Choice

    pool = (
        worlds.deployment("p/good", worlds.model("good", quality=0.9)),
        worlds.deployment("p/plain", worlds.model("plain", quality=0.6)),
    )
    learned = {
        "good": Estimate(0.4, 0.3, 0.5, 200, known=True),
        "plain": Estimate(0.8, 0.7, 0.9, 200, known=True),
    }
    figures = {d.id: Figure(1_000, 1_000) for d in pool}
    choice = Choice(router_version="q1-abc", known=True, default="good")
    made = plan(pool, scene("quality", thought=Thought(choice, learned, figures, NO_PRICES)))

    assert [c.model for c in made.candidates] == ["plain", "good"]
    assert "80.0 (70.0 to 90.0, 200 outcomes)" in made.candidates[0].because
    unknown = Choice(router_version="q1-abc", known=False, default="good")
    made = plan(pool, scene("quality", thought=Thought(unknown, learned, figures, NO_PRICES)))
    assert made.candidates[0].model == "good"
