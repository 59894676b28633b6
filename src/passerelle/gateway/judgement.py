"""Who predicts quality: what is learned of an organisation's requests, or the catalog where nothing is."""

from collections.abc import Mapping
from typing import Protocol

from passerelle.router.quality.base import Estimate, Learner, Sight

PRIOR_WIDTH = 0.15
"""The catalog's figures are coarse tiers: two models of one may well be so far apart on one tenant's work."""


class Judgement(Protocol):
    """Predicts the quality of models on an organisation's requests. Deterministic, quick, without I/O."""

    def version(self, org_id: str) -> str:
        """Names the state that speaks: receipts keep it."""

    def estimates(
        self, org_id: str, sight: Sight, priors: Mapping[str, float | None]
    ) -> Mapping[str, Estimate]:
        """The quality of the models that `priors` names, with what the catalog says of each. A model may be
        left out: then the catalog's figure stands.
        """

    def pack(self, org_id: str, sight: Sight) -> bytes | None:
        """What a receipt keeps of the request, to predict and to learn from it later; None: nothing."""

    def explores(self, org_id: str) -> float:
        """The share of its requests that the organisation lets be tried at another place near the best."""


class ByPrior:
    """The catalog alone: nothing is learned, and nothing is known."""

    def version(self, org_id: str) -> str:
        """There is one state."""
        return "prior"

    def estimates(
        self, org_id: str, sight: Sight, priors: Mapping[str, float | None]
    ) -> Mapping[str, Estimate]:
        """The catalog's figure, give or take a tier."""
        return {
            model: Estimate(
                mean, max(mean - PRIOR_WIDTH, 0.0), min(mean + PRIOR_WIDTH, 1.0), outcomes=0, known=False
            )
            for model, mean in priors.items()
            if mean is not None
        }

    def pack(self, org_id: str, sight: Sight) -> bytes | None:
        """Nothing can be learned from it without its features."""
        return None

    def explores(self, org_id: str) -> float:
        """There is nobody to learn."""
        return 0.0


class ByLearner:
    """What was learned of each organisation's requests; of those of whom nothing was, the catalog's word."""

    def __init__(self) -> None:
        self.learners: dict[str, Learner] = {}
        """By organisation, with the catalog's priors set. Whoever keeps them replaces them here."""
        self.shares: dict[str, float] = {}
        """What organisations let be tried: see `Judgement.explores`."""
        self._prior = ByPrior()

    def version(self, org_id: str) -> str:
        """The learner's own."""
        learner = self.learners.get(org_id)
        return self._prior.version(org_id) if learner is None else learner.version

    def estimates(
        self, org_id: str, sight: Sight, priors: Mapping[str, float | None]
    ) -> Mapping[str, Estimate]:
        """As the learner says. Of a model that neither it nor the catalog knows anything of, nothing."""
        learner = self.learners.get(org_id)
        if learner is None:
            return self._prior.estimates(org_id, sight, priors)
        found = learner.estimate(sight, list(priors))
        return {m: e for m, e in found.items() if e.outcomes or priors[m] is not None}

    def pack(self, org_id: str, sight: Sight) -> bytes | None:
        """The learner's own."""
        learner = self.learners.get(org_id)
        return None if learner is None else learner.pack(sight)

    def explores(self, org_id: str) -> float:
        """Only where there is somebody to learn."""
        return self.shares.get(org_id, 0.0) if org_id in self.learners else 0.0
