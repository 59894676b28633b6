"""Where each value of a configuration came from: a line of a file, the environment, a template, a default."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from passerelle.config.findings import Finding, Severity, dotted
from passerelle.config.locate import Path

Stamp = tuple[int, int, int]
"""Of a file: when it was changed, its size, and its inode."""


class Place(NamedTuple):
    """A file (or `environment`, `command line`…) and a 1-based line."""

    file: str
    line: int | None


class Origin(msgspec.Struct, eq=False):
    """The layers a configuration was made of."""

    file: str = "settings"
    """Name of the file, as its author gave it."""
    lines: Mapping[Path, int] = msgspec.field(default_factory=dict)
    layers: dict[Path, str] = msgspec.field(default_factory=dict)
    """Paths whose value is not the file's own, and whose it is."""
    env: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The environment that references are resolved in. Never shown."""
    data: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """All layers together, before validation."""
    stamp: Stamp | None = None
    """The file's when it was read; None without a file."""
    files: Mapping[Path, str] = msgspec.field(default_factory=dict)
    """Paths of `lines` that stand in another file, and in which."""

    def __repr__(self) -> str:
        return f"Origin({self.file!r})"

    def place(self, path: Path) -> Place:
        """Where the value at `path`, or else the nearest table around it, stands."""
        for length in range(len(path), 0, -1):
            prefix = path[:length]
            if prefix in self.layers:
                return Place(self.layers[prefix], None)
            if prefix in self.lines:
                return Place(self.files.get(prefix, self.file), self.lines[prefix])
        return Place(self.file, None)

    def finding(
        self,
        path: Path,
        message: str,
        next_step: str,
        *,
        severity: Severity = "error",
        code: str = "",
    ) -> Finding:
        """A finding about the value at `path`."""
        file, line = self.place(path)
        return Finding(file, line, dotted(path), message, next_step, severity, code)


def table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The table `name` of unvalidated `data`; what is none counts as empty."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def rows(data: Mapping[str, Any], name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The tables of the list `name` in unvalidated `data`, each with its place; all else is passed over."""
    value = data.get(name)
    for index, row in enumerate(value if isinstance(value, list | tuple) else ()):
        if isinstance(row, dict):
            yield index, row
