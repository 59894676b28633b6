"""kill -9 under load: every answer that arrived is booked once, every call a provider saw is booked."""

import os
from pathlib import Path

import pytest
from tests.gateway.killing import Siege
from tests.gateway.stage import Stage

KILLS = int(os.environ.get("SIEGE_KILLS", "500"))


def _survives(folder: Path, stage: Stage, *, kills: int, seed: int) -> dict[str, int]:
    with Siege(folder, stage) as siege:
        siege.run(kills=kills, seed=seed)
        figures = siege.audit()
        siege.settled_well()
    print(", ".join(f"{name}: {value}" for name, value in figures.items()))
    return figures


def test_ten_kills_lose_and_double_nothing(tmp_path: Path, stage: Stage) -> None:
    figures = _survives(tmp_path / "ten", stage, kills=10, seed=1)

    assert figures["complete"] > 100
    assert figures["cut off"] > 10


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_five_hundred_kills_lose_and_double_nothing(tmp_path: Path, stage: Stage) -> None:
    figures = _survives(tmp_path / "many", stage, kills=KILLS, seed=2026)

    assert figures["kills"] == KILLS
    assert figures["complete"] > 10 * KILLS
