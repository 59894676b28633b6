"""Bedrock's inference profiles: by which id a model is asked for in a region, and where it then runs.

Newer models are asked for through a cross-region profile, whose prefix names the places that may answer
(docs.aws.amazon.com/bedrock "Supported Regions and models for inference profiles", read 2026-11-22): `us.`
the regions of the United States, `eu.` those of the European Union, `jp.` and `au.` Japan's and
Australia's, `apac.` all of Asia and the Pacific, `global.` any commercial region. In `data/offers.toml` an
offer's name lists the profiles that there are, `{us|eu|global}.maker.model`, and the narrowest that fits
the region is taken; a name without a list is asked for in the region itself, and run there.

`eu-west-2` and `eu-central-2` are in Europe and not in the Union: nothing but `global` is promised there.
China's and the government's regions are partitions of their own, which no profile here reaches.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from passerelle.catalog.builtin import Offer

_NARROW: Final = {
    "ap-northeast-1": "jp",
    "ap-northeast-3": "jp",
    "ap-southeast-2": "au",
    "ap-southeast-4": "au",
}
_AREAS: Final = {"us": "us", "eu": "eu", "ap": "apac"}
_NOT_UNION: Final = frozenset({"eu-west-2", "eu-central-2"})


def offers_in(offers: Iterable[Offer], region: str | None) -> Iterator[Offer]:
    """The offers that can be had from a region, by their names there, with where each runs."""
    for offer in offers:
        listed, brace, rest = offer.upstream.removeprefix("{").partition("}.")
        if not brace:
            yield msgspec.structs.replace(offer, regions=None if region is None else (region,))
            continue
        there = listed.split("|")
        place = next((place for place in _places(region) if place in there), None)
        if place is not None:
            yield msgspec.structs.replace(offer, upstream=f"{place}.{rest}", regions=(place,))


def _places(region: str | None) -> Iterator[str]:
    """Prefixes of the profiles that a region may ask by, the narrowest first."""
    if region is not None:
        if region.startswith(("us-gov-", "cn-")):
            return
        if region in _NARROW:
            yield _NARROW[region]
        area = _AREAS.get(region.partition("-")[0])
        if area is not None and region not in _NOT_UNION:
            yield area
    yield "global"
