"""Which places a cloud's region lies in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.places import PLACE_OF, lies_in


@pytest.mark.parametrize(
    ("region", "place", "inside"),
    [
        ("eu", "eu", True),
        ("eu-west-3", "eu", True),
        ("europe-west4", "eu", True),
        ("swedencentral", "eu", True),
        ("eu-west-2", "eu", False),  # London
        ("europe-west2", "eu", False),
        ("eu-west-2", "uk", True),
        ("eu-central-2", "eu", False),  # Zurich
        ("switzerlandnorth", "ch", True),
        ("norwayeast", "eu", False),
        ("us-east-1", "us", True),
        ("us-central1", "us", True),
        ("eastus2", "us", True),
        ("us-gov-west-1", "us-gov", True),
        ("global", "eu", False),
        ("europe", "eu", False),
        ("europium-1", "eu", False),
        ("ap-northeast-1", "jp", True),
        ("asia-northeast1", "apac", True),
        ("ap-northeast-9", "apac", True),
        ("jp", "apac", True),
        ("us-east-1", "apac", False),
        ("westeurope", "westeurope", True),
        ("eu", "eu-west-3", False),
    ],
)
def test_where_a_region_lies(region: str, place: str, *, inside: bool) -> None:
    assert lies_in(region, (place,)) is inside


@given(st.sampled_from(sorted(PLACE_OF)), st.sets(st.sampled_from(["eu", "us", "uk", "ch", "jp", "au"])))
def test_a_listed_region_lies_in_one_country_and_in_itself(region: str, places: set[str]) -> None:
    assert lies_in(region, (region,))
    assert lies_in(region, places) == (PLACE_OF[region] in places)


@given(st.text(max_size=12), st.sets(st.text(max_size=6)), st.sets(st.text(max_size=6)))
def test_allowing_more_places_never_takes_one_away(region: str, some: set[str], more: set[str]) -> None:
    assert not lies_in(region, some) or lies_in(region, some | more)
