"""Stores that are closed whatever happens."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.store.world import StillClock, open_at

from passerelle.store import Store


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def opened(tmp_path: Path, clock: StillClock) -> Iterator[Callable[..., Store]]:
    """Opens stores on this test's directory, with its clock; closes them at the end."""
    stores: list[Store] = []

    def open_one(**options: Any) -> Store:
        stores.append(open_at(options.pop("path", tmp_path), options.pop("clock", clock), **options))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[..., Store]) -> Store:
    return opened()
