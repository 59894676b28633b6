"""For the whole suite: helpers whose assertions explain themselves, and what was left out said loudly."""

from collections import Counter
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.contract.contract_checks", "tests.contract.contract_heard")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every group of tests that did not run, and why: a green end must not hide it."""
    left_out: Counter[tuple[str, str]] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        folder = str(Path(report.nodeid.partition("::")[0]).parent)
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        left_out[folder, reason.removeprefix("Skipped: ")] += 1
    if not left_out:
        return
    terminalreporter.section("LEFT OUT", sep="!", red=True, bold=True)
    for (folder, reason), count in sorted(left_out.items()):
        terminalreporter.line(f"{folder}: {count} not run. {reason}", red=True)
