"""What every module here stands on: providers on a stage."""

from collections.abc import Iterator

import pytest
from tests.gateway.stage import Stage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The module's providers."""
    with Stage() as stage:
        yield stage
