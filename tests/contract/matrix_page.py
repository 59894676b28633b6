"""The page that shows the matrix: `docs/sdks.md`, written anew by `make sdks`."""

import textwrap
from collections import Counter
from collections.abc import Iterable

from tests.contract.contract_world import DIALECTS
from tests.contract.matrix_programs import PROGRAMS
from tests.contract.matrix_run import Cell, Ran

_TITLES = {
    "openai_chat": "Chat",
    "openai_responses": "Responses",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "bedrock": "Bedrock",
}
_MARKS = {"passed": "✓", "failed": "**✗**", "none": "·"}
_OPENING = """
The SDKs as they are published, unmodified, in front of a running gateway with replayed providers of every
dialect behind it: each case is one program's request (or conversation) with checks on both sides, of what the
SDK made of the answer (words, calls, finish, usage, model, class of exception, `retry-after`) and of
what the provider was asked, read strictly in its own dialect. `make sdks` runs it and writes this page;
`make test` runs the same cases, the slow ones at one provider of five and frameworks at two.
"""
_LEGEND = """
One sign for each provider: Chat, Responses, Anthropic, Gemini, Bedrock. ✓ passed, **✗** failed (the reason is
below), · is not there: the SDK or its dialect has no way to ask for it (the reasons are in
`tests/contract/matrix_programs.py`), or it is not this provider's affair. A case asked both whole and
streamed has one sign for both.
"""


def page(ran: Iterable[Ran], date: str) -> str:
    """The page."""
    runs = list(ran)
    cells = [cell for run in runs for cell in run.cells]
    totals = Counter(cell.status for cell in cells)
    tried = totals["passed"] + totals["failed"]
    lines = ["# Official SDKs, unmodified", "", *_folded(_OPENING), ""]
    lines += [f"**{totals['passed']:,} of {tried:,} cases pass** ({date}; `make sdks`).", ""]
    lines += ["| program | SDK | " + " | ".join(_TITLES[p] for p in DIALECTS) + " | all |"]
    lines += ["|---|---|" + "--:|" * (len(DIALECTS) + 1)]
    for run in runs:
        counts = [_count(cell for cell in run.cells if cell.provider == p) for p in DIALECTS]
        versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
        lines.append(f"| {run.program} | {versions} | {' | '.join(counts)} | {_count(run.cells)} |")
    lines += ["", "## By case", "", *_folded(_LEGEND), ""]
    for family in dict.fromkeys(run.program.partition(" ")[0] for run in runs):
        lines += _table(family, [run for run in runs if run.program.partition(" ")[0] == family])
    lines += ["## What fails", ""]
    failed = [cell for cell in cells if cell.status == "failed"]
    lines += ["| program | case | at | what came of it |", "|---|---|---|---|"] if failed else ["Nothing."]
    lines += [f"| {c.program} | {c.case} | {_TITLES[c.provider]} | {_short(c.why)} |" for c in failed]
    missing = [p.name for p in PROGRAMS if p.name not in {run.program for run in runs}]
    if missing:
        lines += ["", f"Not run: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def _table(family: str, runs: list[Ran]) -> list[str]:
    lines = [f"### {family}", "", "| case | " + " | ".join(run.program for run in runs) + " |"]
    lines.append("|---|" + "---|" * len(runs))
    for case in dict.fromkeys(cell.case.removesuffix(", streamed") for cell in runs[0].cells):
        signs = ["".join(_sign(run.cells, case, provider) for provider in DIALECTS) for run in runs]
        lines.append(f"| {case} | {' | '.join(signs)} |")
    return [*lines, ""]


def _sign(cells: list[Cell], case: str, provider: str) -> str:
    here = {
        cell.status
        for cell in cells
        if cell.provider == provider and cell.case.removesuffix(", streamed") == case
    }
    return _MARKS[next(status for status in ("failed", "passed", "none") if status in here)]


def _count(cells: Iterable[Cell]) -> str:
    counts = Counter(cell.status for cell in cells)
    return f"{counts['passed']}/{counts['passed'] + counts['failed']}"


def _folded(words: str) -> list[str]:
    return textwrap.wrap(" ".join(words.split()), 120, break_on_hyphens=False)


def _short(why: str) -> str:
    return " ".join(why.split())[:300].replace("|", "\\|")
