"""Who predicts quality: what is learned of an organisation's requests, or the catalog where nothing is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from passerelle.router.quality.base import Estimate, Sight
from passerelle.router.task import Work, looked_at

if TYPE_CHECKING:
    from passerelle.gateway.learning.signals import Answered

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

    def work(self, sight: Sight) -> Work:
        """What kind of work a packed request is of which nobody says it."""

    def learns(self, org_id: str) -> bool:
        """Whether it would learn from an outcome: where nothing is, nothing is tried out either."""

    def looks(self, org_id: str, features: frozenset[str]) -> bool:
        """Whether the form of the answer to a request of these features is to be looked at."""

    def answered(self, case: "Answered") -> None:
        """A request was answered and settled: what can be told of it without anybody?"""

    async def tend(self) -> None:
        """Take up what became known: called once a second, and returns at once."""

    async def aclose(self) -> None:
        """Let go of everything."""


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

    def work(self, sight: Sight) -> Work:
        """What can be told without its words."""
        return looked_at(sight, None)

    def learns(self, org_id: str) -> bool:
        """There is nobody to learn."""
        return False

    def looks(self, org_id: str, features: frozenset[str]) -> bool:
        """Nobody would learn from it."""
        return False

    def answered(self, case: "Answered") -> None:
        """Likewise."""

    async def tend(self) -> None:
        """Nothing becomes known."""

    async def aclose(self) -> None:
        """Nothing is held."""
