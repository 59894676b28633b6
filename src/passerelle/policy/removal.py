"""A supplier taken out: what a drill removes from the eligible set, of everything or of one tenant's part.

    openai            the provider entry of that name, every entry at that well-known provider, or the cloud
    bedrock,eu        the same, where inference may run in that place (`eu`, `eu-central-1`, `westeurope`)
    maker:anthropic   every model of that maker, wherever it runs; `maker:anthropic,aws` at one cloud only

A removal only ever narrows: it is asked after every other rule, of deployments that were eligible, so that
its name in a rejection says that nothing else stood in the way.
"""

from typing import Literal

import msgspec

from passerelle.core.model import Deployment
from passerelle.core.places import lies_in
from passerelle.core.principal import Principal

RULE = "drill.removed"
"""The rule of rejections by a drill."""

MAKER = "maker:"

CLOUD_OF = {"azure": "azure", "bedrock": "aws", "vertex": "google-cloud"}
"""Well-known provider → the cloud it is part of."""

CLOUDS = frozenset(CLOUD_OF.values())

ScopeKind = Literal["everything", "organisation", "workspace", "project", "key"]


class Without(msgspec.Struct, frozen=True):
    """What is taken out."""

    supplier: str
    """A provider entry, a well-known provider, a cloud, or `maker:` and a maker."""
    place: str = ""
    """A region, a country, `eu`, or a cloud; empty: everywhere."""

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.supplier},{self.place}" if self.place else self.supplier


class Removal(msgspec.Struct, frozen=True):
    """A supplier that is out for a while, for whom. Hashable: admissions are remembered by it."""

    without: Without
    scope: ScopeKind = "everything"
    scope_id: str = ""
    drill: str = ""
    """The drill's id; empty on paper."""
    until_ns: int = 0
    """Unix time at which it is over, whoever forgets it; 0 on paper."""

    def binds(self, principal: Principal, now_ns: int) -> bool:
        """Whether it holds for this caller now."""
        if self.until_ns and now_ns >= self.until_ns:
            return False
        match self.scope:
            case "everything":
                return True
            case "organisation":
                return self.scope_id == principal.org_id
            case "workspace":
                return self.scope_id == principal.workspace_id
            case "project":
                return self.scope_id == principal.project_id
            case "key":
                return self.scope_id == principal.key_id

    @property
    def reason(self) -> str:
        """For the rejection."""
        by = f"drill `{self.drill}`" if self.drill else "this drill"
        return f"`{self.without.text}` is taken out by {by}"


def parse(text: str) -> Without:
    """`SUPPLIER[,PLACE]` as it is written. Raises `ValueError` in words."""
    supplier, comma, place = (part.strip() for part in text.partition(","))
    if not supplier or supplier == MAKER or (comma and not place) or "," in place:
        raise ValueError(f"`{text}` is not `PROVIDER` or `PROVIDER,REGION`; write one such as `openai`")
    return Without(supplier, place.lower())


def supplier_of(deployment: Deployment) -> str:
    """Who is paid and depended on: one name for all provider entries of one supplier."""
    return deployment.supplier or deployment.provider


def takes_out(without: Without, deployment: Deployment) -> bool:
    """Whether a deployment is among what is taken out."""
    cloud = CLOUD_OF.get(deployment.supplier)
    if without.supplier.startswith(MAKER):
        if deployment.model.maker != without.supplier[len(MAKER) :]:
            return False
    elif without.supplier not in (deployment.provider, deployment.supplier, cloud):
        return False
    return not without.place or without.place == cloud or _may_run_in(deployment, without.place)


def suppliers(deployments: tuple[Deployment, ...]) -> frozenset[str]:
    """Every word that takes out something of these deployments."""
    found: set[str] = set()
    for one in deployments:
        found.update((one.provider, supplier_of(one), MAKER + one.model.maker))
        cloud = CLOUD_OF.get(one.supplier)
        if cloud is not None:
            found.add(cloud)
    return frozenset(found)


def _may_run_in(deployment: Deployment, place: str) -> bool:
    """Whether inference may happen there: what may run in several places is out with any of them."""
    regions = deployment.attributes.regions or ()
    named = regions if deployment.region is None else (deployment.region.lower(), *regions)
    return any(lies_in(region, (place,)) for region in named)
