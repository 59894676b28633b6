"""Run the matrix: `python -m tests.contract [program] [case] [--page docs/sdks.md]`, pieces of their names.

Ends with status 1 when a case fails. The page is written only of the whole matrix.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tests.contract.contract_world import World, make_world
from tests.contract.matrix_page import page
from tests.contract.matrix_programs import PROGRAMS, Program
from tests.contract.matrix_run import Cell, Process, Ran, make_keys, missing, run_program
from tests.upstream import Upstream

_AT_ONCE = 4
"""Most of the time something waits for a deadline or a pause."""


def main() -> int:
    """Run, print, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?", default="")
    parser.add_argument("case", nargs="?", default="")
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    chosen = [program for program in PROGRAMS if asked.program in program.name]
    for program in chosen:
        if why := missing(program):
            print(f"{program.name}: NOT RUN, {why}", file=sys.stderr)
    runnable = [program for program in chosen if not missing(program)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        lanes = [runnable[start::_AT_ONCE] for start in range(_AT_ONCE)]
        ran = [run for lane in pool.map(lambda lane: _lane(lane, asked.case), lanes) for run in lane]
    ran.sort(key=lambda run: [program.name for program in PROGRAMS].index(run.program))
    counts = Counter(cell.status for run in ran for cell in run.cells)
    print(f"all: {counts['passed']}/{counts['passed'] + counts['failed']}")
    if asked.page and not (asked.program or asked.case):
        asked.page.write_text(page(ran, datetime.now(UTC).date().isoformat()))
    return 1 if counts["failed"] or len(ran) < len(chosen) else 0


def _lane(programs: list[Program], only: str) -> list[Ran]:
    """These programs, one after the other, at a gateway of their own."""
    if not programs:
        return []
    ran = []
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        upstream = stack.enter_context(Upstream())
        gateway = stack.enter_context(make_world(Path(folder), upstream))
        world = World(gateway, upstream, gateway.key("--name", "admin", "--role", "admin")["token"])
        keys = make_keys(world)
        for program in programs:
            began = time.monotonic()
            process = Process(program)
            cells = list(run_program(world, keys, process, program, only))
            process.close()
            ran.append(Ran(program.name, process.versions, cells))
            _tell(program, cells, time.monotonic() - began)
    return ran


def _tell(program: Program, cells: list[Cell], took_s: float) -> None:
    """The count, and the failures, those of one case and one reason together."""
    counts = Counter(cell.status for cell in cells)
    lines = [f"{program.name}: {counts['passed']}/{counts['passed'] + counts['failed']} ({took_s:.1f} s)"]
    alike: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.status == "failed":
            case, streamed, _ = cell.case.partition(", streamed")
            reason = case, " ".join(cell.why[:300].split())
            alike.setdefault(reason, []).append(cell.provider + ("+" if streamed else ""))
    lines += [f"    {case} @ {' '.join(at)}: {why}" for (case, why), at in alike.items()]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
