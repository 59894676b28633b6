"""Whatever a provider does, the caller hears its own dialect, one ending, the truth; the books balance."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.faults.fault_catalogue import FAULTS
from tests.faults.fault_cells import Cell, chosen, everything
from tests.faults.fault_house import fault_house
from tests.faults.fault_scene import POSITIONS
from tests.gateway.door import DIALECTS
from tests.gateway.stage import Stage


def _hold(folder: Path, stage: Stage, cells: Sequence[Cell]) -> None:
    began = time.monotonic()
    with fault_house(folder, stage, cells) as house:
        house.try_all(cells)
    took_s = time.monotonic() - began
    print(f"{len(cells)} cells in {took_s:.1f} s: {house.rescued} rescued, {house.told} told in-band")
    assert not house.wrong, "\n".join([f"{len(house.wrong)} of {len(cells)}:", *house.wrong])


def test_every_fault_every_pair_of_dialects_and_every_place(stage: Stage, tmp_path: Path) -> None:
    _hold(tmp_path, stage, chosen(everything()))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_whole_matrix(stage: Stage, tmp_path: Path) -> None:
    _hold(tmp_path, stage, list(everything()))


def test_the_chosen_cells_stand_for_all() -> None:
    cells = chosen(everything())
    assert {cell.fault for cell in cells} == set(FAULTS)
    assert {(cell.client, cell.provider) for cell in cells} == {(c, p) for c in DIALECTS for p in DIALECTS}
    assert {cell.at for cell in cells} == set(POSITIONS)
    assert len(FAULTS) >= 30
    assert sum(1 for _ in everything()) >= 2_000
