"""Every SDK, unmodified, over the matrix of `matrix_cases`; slow cases at one provider, frameworks at two."""

from collections.abc import Iterator

import pytest
from tests.contract.contract_world import World
from tests.contract.matrix_programs import PROGRAMS, Program
from tests.contract.matrix_run import Processes, make_keys, missing, run_program


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    every = Processes()
    yield every
    every.close()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_an_sdk_passes_every_case_at_every_provider(
    shared_world: World, processes: Processes, program: Program
) -> None:
    why = missing(program)
    if why:
        pytest.skip(f"{program.name.upper()} IS NOT TESTED: {why}")
    keys = make_keys(shared_world)
    with processes.of(program) as process:
        cells = list(run_program(shared_world, keys, process, program, quick=True))
    passed = [cell for cell in cells if cell.status == "passed"]
    failed = [f"{cell.case} @ {cell.provider}: {cell.why}" for cell in cells if cell.status == "failed"]
    assert not failed, "\n".join(failed)
    assert len(passed) > 60
