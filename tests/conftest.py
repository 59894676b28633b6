"""For the whole suite: helpers whose assertions explain themselves, properties that are judged by what they
claim and not by the clock, and what was left out said loudly.
"""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

# An example's 200 ms would be those of a machine of its own: on a shared one any of them may take longer, and
# "flaky" is then all that is found. What never ends is ended by pytest's own `timeout`.
settings.register_profile("passerelle", deadline=None)
settings.load_profile("passerelle")

pytest.register_assert_rewrite(
    "tests.contract.contract_checks",
    "tests.contract.contract_heard",
    "tests.gateway.door",
    "tests.gateway.house",
    "tests.gateway.stage",
)


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
