"""Collects what an import did: findings at the lines of the file that was read."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from passerelle.catalog.imports.yaml_input import Path
from passerelle.config.findings import Finding, Severity, dotted, in_order

Outcome = Literal[
    "mapped", "approximate", "unmapped_field", "unsupported_provider", "needs_attention", "literal_secret",
    "unreadable",
]  # fmt: skip
"""What became of a piece of the file."""

_SEVERITY: dict[Outcome, Severity] = {
    "mapped": "note",
    "approximate": "note",
    "unmapped_field": "warning",
    "unsupported_provider": "warning",
    "needs_attention": "warning",
    "literal_secret": "warning",
    "unreadable": "error",
}


class ImportResult(msgspec.Struct, frozen=True):
    """A configuration of ours, and what could and could not be carried over."""

    toml: str
    """Text of a `passerelle.toml`; empty when the file could not be read."""
    findings: tuple[Finding, ...]
    """In the order of the lines. `code` is an `Outcome`."""

    def with_outcome(self, outcome: Outcome) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.code == outcome)


class Report:
    """Findings about one file."""

    def __init__(self, file: str, lines: Mapping[Path, int] | None = None) -> None:
        self.file = file
        self._lines = lines or {}
        self._findings: list[Finding] = []

    def say(self, path: Path, outcome: Outcome, message: str, next_step: str) -> None:
        """One finding. Never pass a value that may be a secret."""
        line = next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), None)
        self._findings.append(
            Finding(self.file, line, dotted(path), message, next_step, _SEVERITY[outcome], outcome)
        )

    def findings(self) -> tuple[Finding, ...]:
        """Everything said, in order."""
        return in_order(self._findings)


def text_of(table: Mapping[str, Any], name: str) -> str | None:
    """A field as text when it is one, or a plain scalar that YAML made something else of."""
    value = table.get(name)
    if value is None or isinstance(value, bool | dict | list):
        return None
    text = str(value).strip()
    return text or None


def table_of(value: object) -> dict[str, Any]:
    """`value` when it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}
