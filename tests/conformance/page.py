"""docs/conformance.md: the table of every cell, written anew by `python -m tests.conformance.page`.

The page is what the cells gave; a test compares it with what they give (`test_conformance`), but for the line
that says when and how long.
"""

import re
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from tests.conformance.cells import CLIENTS, Verdict
from tests.conformance.features import FEATURES
from tests.conformance.houses import HOUSES
from tests.conformance.suite import Cells, run_all
from tests.conformance.world import running

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
_MEASURED = re.compile(r"^Measured on .*$", re.MULTILINE)
_SIGNS = {"pass": "✓", "told": "told", "none": "–", "limit": "limit", "fail": "**fails**"}

_INTRO = """# Conformance

Every client dialect in front of every provider, for every feature:
{clients} × {houses} × {features} = {cells} cells.
Each cell was tried through the front door: a running gateway over real sockets, in front of replayed
providers that refuse whatever the provider's owner refuses, and with clients that refuse whatever the
official SDKs could not read.

Two providers have no column: Black Forest Labs, which makes pictures only, and the simulated one.
Claude on Vertex AI and through Bedrock's InvokeModel is spoken to in Messages, as in the columns of
Anthropic and Foundry; how it differs there is tried in `tests/gateway/test_clouds.py`.

| what became of it | cells | meaning |
|---|---|---|
| ✓ | {pass_} | it reached the provider with its meaning, and the answer the client; nothing was left out |
| told | {told} | this provider has no such thing: it is named in `x-passerelle-dropped`, and with \
`x-passerelle-strict: 1` refused before any call; or the model cannot do it, and the gateway says so \
before any call |
| – | {none} | nothing to ask: the client's dialect, or the provider's, has no words for it |
| limit | {limit} | both ends have it and the gateway does not carry it; it is told as above |
| **fails** | {fail} | anything else |

Of the {sensible} cells where both ends have the thing, **{share} pass** ({pass_}). The number beside a word
is the reason, listed under its table.

Measured on {date} in {took} s by `make conformance`, which writes this page.
`make test` runs the same cells, and fails when the page says otherwise.
"""


def written(cells: Cells, date: str, took_s: float) -> str:
    """The page."""
    counts = Counter([verdict.kind for verdict in cells.values()])
    sensible = counts["pass"] + counts["limit"] + counts["fail"]
    head = _INTRO.format(
        clients=len(CLIENTS), houses=len(HOUSES), features=len(FEATURES), cells=len(cells),
        pass_=counts["pass"], told=counts["told"], none=counts["none"], limit=counts["limit"],
        fail=counts["fail"], sensible=sensible, share=f"{counts['pass'] / sensible:.1%}".replace("%", " %"),
        date=date, took=f"{took_s:.0f}",
    )  # fmt: skip
    return head + "".join([_section(client, cells) for client in CLIENTS])


def _section(client: ModuleType, cells: Cells) -> str:
    reasons: dict[str, int] = {}
    lines = [f"\n## Clients of {client.LABEL}\n"]
    lines.append("| | " + " | ".join([house.label for house in HOUSES]) + " |")
    lines.append("|---" * (len(HOUSES) + 1) + "|")
    for feature in FEATURES:
        row = [cells[client.DIALECT, house.name, feature.name] for house in HOUSES]
        lines.append(f"| {feature.name} | " + " | ".join([_cell(v, reasons) for v in row]) + " |")
    lines.append("")
    lines += [f"{number}. {reason}" for reason, number in reasons.items()]
    return "\n".join(lines) + "\n"


def _cell(verdict: Verdict, reasons: dict[str, int]) -> str:
    sign = _SIGNS[verdict.kind]
    if verdict.kind == "pass":
        return sign
    return f"{sign} {reasons.setdefault(_plain(verdict.why), len(reasons) + 1)}"


def _plain(why: str) -> str:
    """A reason without what differs from run to run."""
    return re.sub(r"ref\d{5}", "ref", why).replace("\n", " ")[:200]


def lasting(page: str) -> str:
    """`page` without when it was measured."""
    return _MEASURED.sub("Measured on …", page)


def main() -> None:
    """Try everything and write the page; ends with status 1 where a cell fails."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), HOUSES) as world:
        began = time.monotonic()
        cells = run_all(world)
        took_s = time.monotonic() - began
    PAGE.write_text(written(cells, f"{datetime.now(UTC):%Y-%m-%d}", took_s), "utf-8")
    failing = {key: verdict.why for key, verdict in cells.items() if verdict.kind == "fail"}
    for key, why in failing.items():
        print(*key, why[:300], sep=" | ")
    print(f"{len(cells)} cells, {len(failing)} fail, {took_s:.1f} s: docs/conformance.md")
    sys.exit(1 if failing else 0)


if __name__ == "__main__":
    main()
