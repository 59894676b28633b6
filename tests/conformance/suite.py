"""Every cell of the table, tried. `python -m tests.conformance.suite [CLIENT [HOUSE [FEATURE]]]` shows
what fails."""

import gc
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

from tests.conformance.cells import CLIENTS, Verdict
from tests.conformance.features import FEATURES, Feature
from tests.conformance.house import House
from tests.conformance.houses import HOUSES
from tests.conformance.trials import run
from tests.conformance.world import World, running

Cells = dict[tuple[str, str, str], Verdict]
"""By client dialect, house and feature."""
_SIDE_BY_SIDE = 6


def run_all(
    world: World,
    clients: tuple[ModuleType, ...] = CLIENTS,
    houses: tuple[House, ...] = HOUSES,
    features: tuple[Feature, ...] = FEATURES,
) -> Cells:
    """The verdict of each cell."""
    gc.disable()  # every exchange is kept, so that each collection would walk more of them, for nothing
    try:
        return _tried(world, clients, houses, features)
    finally:
        gc.enable()


def _tried(
    world: World,
    clients: tuple[ModuleType, ...],
    houses: tuple[House, ...],
    features: tuple[Feature, ...],
) -> Cells:
    keys = [(client, house, feature) for client in clients for house in houses for feature in features]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        found = list(pool.map(lambda key: run(world, *key), keys))
    return {(c.DIALECT, h.name, f.name): v for (c, h, f), v in zip(keys, found, strict=True)}


def main(*wanted: str) -> None:
    """Show what fails, and the totals."""
    client, house, feature = (*wanted, "", "", "")[:3]
    clients = tuple([c for c in CLIENTS if client in c.DIALECT])
    houses = tuple([h for h in HOUSES if house in h.name])
    features = tuple([f for f in FEATURES if feature in f.name])
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), HOUSES) as world:
        began = time.monotonic()
        cells = run_all(world, clients, houses, features)
        took_s = time.monotonic() - began
        unexpected = [line for line in world.log if "unexpected" in line]
    for key, verdict in cells.items():
        if verdict.kind in ("fail", "limit") or feature:
            print(*key, verdict.kind.upper(), verdict.why[:600], sep=" | ")
    print(Counter([verdict.kind for verdict in cells.values()]), f"{took_s:.1f} s")
    print("\n".join(unexpected[:5]))


if __name__ == "__main__":
    main(*sys.argv[1:])
