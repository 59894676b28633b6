"""Who judges quality at the road: a learner where there is one, the catalog where there is none."""

from collections.abc import Mapping

import pytest
from tests import worlds

from passerelle.gateway.judgement import PRIOR_WIDTH, ByPrior
from passerelle.router.plan import Figure, Thought, plan
from passerelle.router.quality.base import Estimate, Sight
from passerelle.router.utility import NO_PRICES

PRIORS: Mapping[str, float | None] = {"good": 0.9, "plain": 0.6, "new": None}


def test_where_nothing_is_learned_the_catalog_speaks_and_says_so() -> None:
    judgement = ByPrior()
    said = judgement.estimates("org_1", Sight("Hello."), PRIORS)

    assert set(said) == {"good", "plain"}
    good = said["good"]
    assert (good.mean, good.known, good.outcomes) == (0.9, False, 0)
    assert good.low == pytest.approx(0.9 - PRIOR_WIDTH)
    assert good.high == 1.0
    assert judgement.version("org_1") == "prior"
    assert judgement.pack("org_1", Sight("Hello.")) is None
    assert not judgement.learns("org_1")


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
