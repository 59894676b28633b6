"""Write docs/corpora.md: how this gateway's translations agree with other gateways' test material.

The material is no part of the project; it lies beside the checkout (`../shared/data/dialects`), or below what
`PASSERELLE_SHARED` names. `tests/corpora` reads it; run by `make corpora`, which says nothing without it.
"""

import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "corpora.md"
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.corpora.agentgateway import compared, goldens  # noqa: E402 - the path comes first
from tests.corpora.inputs import files, inputs, refusal  # noqa: E402
from tests.corpora.reasons import (  # noqa: E402
    REFUSED,
    RULES,
    WITHOUT_COUNTERPART,
    Rule,
    not_read,
    reason_of,
)
from tests.shared import shared_data  # noqa: E402

HEAD = """\
# Corpora
Test material of other gateways, read by this one:
[agentgateway](https://github.com/agentgateway/agentgateway)'s golden files (requests, answers and streams
with the translations it expects), recordings of OpenAI's API made for
[Envoy AI Gateway](https://github.com/envoyproxy/ai-gateway), and
[GoModel](https://github.com/ENTERPILOT/GoModel)'s fixtures. A body must agree field by field, a stream must
mean the same to who reads it, and what is read of usage is compared as well. Every difference has a reason
below, or `tests/corpora` fails; a reason that nothing needs fails too.

Written by `make corpora` on 22 November 2026, where the material is at hand.
"""


def page(root: Path) -> str:
    """The whole page."""
    return "".join(f"{part.strip()}\n\n" for part in (HEAD, _totals(root), _reasons(root))).rstrip() + "\n"


def _totals(root: Path) -> str:
    kinds: dict[str, Counter[str]] = {}
    for golden in goldens(root / "agentgateway"):
        found = compared(golden)
        kind = "no counterpart" if found is None else found[0]
        verdict = "none" if found is None else "agrees" if not found[1] else "refused"
        if found is not None and found[1] and found[0] != "refused":
            verdict = "differs"
        kinds.setdefault(kind, Counter())[verdict] += 1
    read: Counter[tuple[str, bool]] = Counter()
    passed_by = whole = 0
    for path in files(root):
        whole += 1
        name = path.relative_to(root).as_posix()
        passed_by += not_read(name) is not None and not any(inputs(root, path))
        for one in inputs(root, path):
            read[one.kind, refusal(one) is None] += 1
    expected = sum(map(Counter.total, kinds.values()))
    lines = [
        "## Totals",
        (
            f"{whole} files: {expected} expected translations, the bodies they are made of, recordings, and "
            f"{passed_by} that nothing reads (below)."
        ),
        "",
        "| bodies | taken | refused |",
        "|---|---|---|",
        *(
            f"| {kind} | {read[kind, True]} | {read[kind, False]} |"
            for kind in ("request", "answer", "stream", "error")
        ),
        "",
        "| expected translation | agrees | differs, with a reason | refused |",
        "|---|---|---|---|",
    ]
    totals: Counter[str] = Counter()
    for kind, verdicts in sorted(kinds.items()):
        totals += verdicts
        if kind not in ("no counterpart", "refused"):
            lines.append(f"| {kind} | {verdicts['agrees']} | {verdicts['differs']} | {verdicts['refused']} |")
    lines.append(f"| **all** | {totals['agrees']} | {totals['differs']} | {totals['refused']} |")
    lines += ["", f"{totals['none']} expected files are of features that have no counterpart here (below)."]
    return "\n".join(_folded(lines))


def _reasons(root: Path) -> str:
    needed: dict[Rule, set[str]] = {rule: set() for rule in RULES}
    for golden in goldens(root / "agentgateway"):
        name = golden.path.relative_to(root / "agentgateway").as_posix()
        for difference in (compared(golden) or ("", []))[1]:
            rule = reason_of(name, difference)
            if rule is not None:
                needed[rule].add(name)
    lines = ["## Where a translation differs, and why"]
    for rule, names in needed.items():
        some = ", ".join(f"`{name.split('/', 1)[1].removesuffix('.snap')}`" for name in sorted(names)[:2])
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        lines.append(f"- {_sentence(rule.reason)} ({some}{more})")
    lines += ["", "## What is refused"]
    lines += [f"- `{name}`: {reason}" for name, reason in REFUSED.items()]
    lines += ["", "## What has no counterpart"]
    lines += [f"- `{_readable(pattern)}`: {reason}" for pattern, reason in WITHOUT_COUNTERPART.items()]
    lines += ["", "## What nothing reads"]
    grouped: Counter[str] = Counter()
    for path in files(root):
        why = not_read(path.relative_to(root).as_posix())
        if why and not any(inputs(root, path)):
            grouped[why] += 1
    lines += [f"- {count} × {why}" for why, count in grouped.items()]
    return "\n".join(_folded(lines))


def _sentence(reason: str) -> str:
    return reason[0].upper() + reason[1:]


def _readable(pattern: str) -> str:
    return re.sub(r"\.\*", "*", pattern).replace("\\.", ".").replace("|", ", ")


def _folded(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith(("|", "#")) or not line:
            yield line
            continue
        indent = "  " if line.startswith("- ") else ""
        yield from textwrap.wrap(
            line, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )


def main() -> None:
    """Write the page, where there is something to read."""
    root = shared_data("dialects")
    if root is None:
        raise SystemExit(
            "The corpora are not here; set PASSERELLE_SHARED to the folder that holds `data/dialects`."
        )
    PAGE.write_text(page(root), "utf-8")


if __name__ == "__main__":
    main()
