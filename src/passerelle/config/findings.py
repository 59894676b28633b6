"""Findings: what is wrong with a configuration, where, and what to do about it.

PasserelleError
└─ ConfigError         a configuration that may not be used; carries every finding, not the first
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal

import msgspec

from passerelle.core.errors import PasserelleError

Severity = Literal["error", "warning", "note"]
"""`error` refuses the configuration; `warning` is used all the same; `note` only tells."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mistake or remark. Never holds a secret, not even a wrongly placed one."""

    file: str
    """The file at fault, or `environment`, or `command line`."""
    line: int | None
    """1-based; None where a line means nothing."""
    field: str
    """Path of the setting as its author writes it: `providers.openai.base_url`, `deployments[2].model`."""
    message: str
    next_step: str
    severity: Severity = "error"
    code: str = ""
    """A machine-readable word for what kind of finding it is, e.g. `unknown_field`."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        field = f"`{self.field}`: " if self.field else ""
        stop = "" if self.next_step.endswith("?") else "."
        return f"{place}: {self.severity}: {field}{self.message}. {self.next_step}{stop}"


class ConfigError(PasserelleError):
    """A configuration with at least one finding of severity `error`."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = in_order(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


_WEIGHT: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Once each, by file and line, errors before warnings on the same line."""
    unique = dict.fromkeys(findings)
    return tuple(sorted(unique, key=lambda f: (f.file, f.line or 0, _WEIGHT[f.severity], f.field)))


def errors_in(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Only those that refuse the configuration."""
    return tuple(finding for finding in findings if finding.severity == "error")


def near(word: str, known: Iterable[str], *, most: int = 3) -> tuple[str, ...]:
    """Known names that `word` may have meant, best first; empty when nothing is near."""
    by_folded = {name.casefold(): name for name in known}
    folded = get_close_matches(word.casefold(), list(by_folded), n=most, cutoff=0.6)
    return tuple(by_folded[name] for name in folded)


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """`Did you mean …?` as a next step, or `otherwise` when nothing is near."""
    names = near(word, known)
    return f"Did you mean {' or '.join(f'`{name}`' for name in names)}?" if names else otherwise


def dotted(path: Iterable[str | int]) -> str:
    """A path as people write it: `("deployments", 2, "model")` is `deployments[2].model`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if part.replace("-", "").replace("_", "").isalnum() else f'"{part}"'
            text += f".{shown}" if text else shown
    return text
