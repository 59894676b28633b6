"""Names that ask for a place: Bedrock's inference profiles (`eu.anthropic.claude-…`).

Such an id means the model *and* where it may be computed. So it reaches only deployments that are known to
stay there, at Bedrock or at any other cloud, and none when there are none: answering from somewhere else
would break what the caller asked for. A deployment whose provider itself uses that id is such a place by
its own word, unless its attributes say otherwise.

The places from docs.aws.amazon.com, "Supported Regions and models for inference profiles" (read 2026-11-22).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from passerelle.core.model import Deployment, Model
from passerelle.core.places import lies_in

PLACES: Final = frozenset({"us", "us-gov", "eu", "apac", "jp", "au", "ca", "in"})
"""First part of an inference profile's id: the place it promises."""

_BEDROCK: Final = re.compile(
    r"(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen|writer)\.\S+"
)
"""Ids of Bedrock's: the maker, a full stop, the model."""


def base_ids(model: Model) -> Iterator[str]:
    """The ids a model has at Bedrock, which regional ones are made of."""
    return (alias for alias in model.aliases if _BEDROCK.fullmatch(alias))


def split(name: str) -> tuple[str, str] | None:
    """The place and the plain id of a name that asks for a place; None for any other."""
    place, _, rest = name.partition(".")
    if place.casefold() in PLACES and _BEDROCK.fullmatch(rest):
        return place.casefold(), rest
    return None


def stays_in(deployment: Deployment, place: str, name: str) -> bool:
    """Whether a deployment is known to be computed in `place` and nowhere else."""
    regions = deployment.attributes.regions
    if regions is None:
        return deployment.upstream_model == name
    return bool(regions) and all(lies_in(region, (place,)) for region in regions)


def regional_names(
    models: Iterable[Model], deployments: tuple[Deployment, ...]
) -> Iterator[tuple[str, tuple[Deployment, ...]]]:
    """Every regional name that somebody here can serve, with those who can."""
    served: dict[str, list[Deployment]] = {}
    for deployment in deployments:
        served.setdefault(deployment.model.id, []).append(deployment)
    for model in models:
        here = served.get(model.id)
        if here is None:
            continue
        for base in base_ids(model):
            for place in sorted(PLACES):
                name = f"{place}.{base}"
                staying = tuple(d for d in here if stays_in(d, place, name))
                if staying:
                    yield name, staying
