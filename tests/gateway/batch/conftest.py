"""Clients are closed with the test that made them: their sockets are not left to the collector."""

from collections.abc import Iterator

import pytest
from tests.gateway.batch.office import MADE


@pytest.fixture(autouse=True)
def closed_clients() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().close()
