"""What the modules here stand on: providers on a stage."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.gateway.door", "tests.gateway.house", "tests.gateway.stage")

from tests.gateway.stage import Stage  # noqa: E402 - after the rewriting is asked for


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The module's providers."""
    with Stage() as stage:
        yield stage
