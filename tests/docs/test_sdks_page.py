"""docs/sdks.md shows a run of the whole matrix as it is now, and enough of it passed."""

import re

from tests.contract.contract_world import DIALECTS
from tests.contract.matrix_cases import CASES
from tests.contract.matrix_programs import PROGRAMS
from tests.docs.pages import page, section
from tests.docs.pages import rows as rows_of

PAGE = page("sdks.md")


def test_every_program_was_run_over_every_case() -> None:
    names = {program.name for program in PROGRAMS}
    shown = {
        line.split("|")[1].strip(): line for line in PAGE.splitlines() if re.search(r"\d+/\d+ \|$", line)
    }
    assert shown.keys() == names
    for program in PROGRAMS:
        told = sum(
            case.name not in program.cannot and p in case.providers for case in CASES for p in DIALECTS
        )
        assert shown[program.name].rstrip(" |").endswith(f"/{told}"), "run `make sdks` anew"


def test_the_total_is_that_of_its_rows_and_high_enough() -> None:
    found = re.search(r"\*\*([\d,]+) of ([\d,]+) cases pass\*\*", PAGE)
    assert found is not None
    passed, tried = (int(figure.replace(",", "")) for figure in found.groups())
    rows = re.findall(r"(\d+)/(\d+) \|$", PAGE, re.MULTILINE)
    assert (passed, tried) == (sum(int(p) for p, _ in rows), sum(int(t) for _, t in rows))
    assert passed / tried >= 0.98
    assert len(list(rows_of(section(PAGE, "## What fails")))) == tried - passed


def test_no_case_is_named_that_cannot_be_asked_and_does_not_exist() -> None:
    named = {name for program in PROGRAMS for name in program.cannot}
    assert named <= {case.name for case in CASES}
