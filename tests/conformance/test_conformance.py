"""The conformance table is what the cells give, and says enough."""

import re
from pathlib import Path

from tests.conformance.cells import CLIENTS
from tests.conformance.features import FEATURES
from tests.conformance.houses import HOUSES
from tests.conformance.page import PAGE, lasting, written
from tests.conformance.suite import run_all
from tests.conformance.world import running


def test_the_page_is_what_every_cell_gives(tmp_path: Path) -> None:
    with running(tmp_path, HOUSES) as world:
        cells = run_all(world)
        assert not [line for line in world.log if "unexpected" in line]
    failing = {key: verdict.why for key, verdict in cells.items() if verdict.kind == "fail"}
    assert not failing
    assert lasting(written(cells, "", 0)) == lasting(PAGE.read_text("utf-8")), "run `make conformance`"


def test_at_least_98_in_100_of_the_cells_that_make_sense_pass() -> None:
    found = re.search(r"\*\*([\d.]+) % pass\*\*", PAGE.read_text("utf-8"))
    assert found is not None
    assert float(found[1]) >= 98


def test_the_table_is_large_enough() -> None:
    assert len(CLIENTS) >= 5
    assert len(HOUSES) >= 8
    assert len(FEATURES) >= 18
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
