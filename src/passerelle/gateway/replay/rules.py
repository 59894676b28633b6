"""What recorded traffic is decided by, and what of it differs from what is in force."""

from collections.abc import Iterable, Mapping

import msgspec

from passerelle.catalog import Catalog
from passerelle.core.model import Deployment
from passerelle.core.plan import SmartMode
from passerelle.gateway.generation import Generation
from passerelle.policy.eligible import matches
from passerelle.policy.removal import Removal, Without


class Rules(msgspec.Struct, frozen=True, eq=False):
    """The rules of a replay."""

    generation: Generation
    """Its catalog, policy and router settings decide."""
    rights_revision: int
    in_force: Catalog
    """The installation's own catalog."""
    policy_in_force: str
    """The version of the installation's own policy."""
    without: Without | None = None
    mode: SmartMode | None = None
    """For all that leave the choice to us, whatever their callers asked for."""
    models: tuple[str, ...] = ()
    """Names and patterns: a choice is made among these alone."""
    commitments: bool = False
    """Whether the commitments are others than those in force."""
    files: Mapping[str, str] = {}
    """SHA-256 of what was given with an option: `policy`, `prices`, `catalog`, `commitments`."""

    @property
    def removed(self) -> tuple[Removal, ...]:
        """For admission."""
        return () if self.without is None else (Removal(self.without),)

    def steady(self) -> frozenset[str]:
        """The deployments that cost now what they cost by the rules in force."""
        before = self.in_force.by_id
        return frozenset(
            one.id
            for one in self.generation.catalog.deployments
            if one.id in before and before[one.id].effective_price == one.effective_price
        )

    def among(self, deployments: Iterable[Deployment]) -> tuple[Deployment, ...]:
        """Those of `models`; all where there are none."""
        if not self.models:
            return tuple(deployments)
        return tuple(one for one in deployments if self._named(one))

    def unknown_models(self) -> list[str]:
        """Those of `models` that mean nothing here."""
        catalog = self.generation.catalog
        return [
            word
            for word in self.models
            if not catalog.resolve(word) and not any(matches(one, (word,)) for one in catalog.deployments)
        ]

    def _named(self, deployment: Deployment) -> bool:
        return matches(deployment, self.models) or any(
            deployment in self.generation.catalog.resolve(word) for word in self.models
        )
