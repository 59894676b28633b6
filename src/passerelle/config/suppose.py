"""A configuration supposed: an installation's own, with the rules of other files in place of its own.

    policy       `[policy]` and `[router]`, each in place of the installation's
    prices       `price` of `[[models]]` and `[[deployments]]` that there are
    catalog      `[[models]]` and `[[deployments]]` laid over those of the same id, or added; `[providers]`
                 and `[aliases]` by name
    commitments  `[[commitments]]`, in place of the installation's

Each is written as in `passerelle.toml`, so a whole configuration does as well: what of it is not meant is
passed over with a warning. Every value keeps its file and line, so that a mistake in it is named there.
"""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import msgspec

from passerelle.config import document
from passerelle.config.document import Document
from passerelle.config.findings import ConfigError, Finding, did_you_mean, dotted, errors_in
from passerelle.config.locate import Path as Keys
from passerelle.config.origin import rows
from passerelle.config.settings import Settings

Part = Literal["policy", "prices", "catalog", "commitments"]

_SECTIONS: Mapping[Part, tuple[str, ...]] = {
    "policy": ("policy", "router"),
    "prices": ("models", "deployments"),
    "catalog": ("providers", "models", "deployments", "aliases"),
    "commitments": ("commitments",),
}
_ROWS = ("models", "deployments")
_OF_A_PRICE = {
    "models": ("id", "price"),
    "deployments": ("provider", "model", "upstream_model", "id", "price"),
}


class Supposition(msgspec.Struct, frozen=True):
    """What is supposed, and what must be looked at once the catalog is there."""

    document: Document
    passed_over: tuple[Finding, ...]
    """Warnings: sections that an option does not look at."""
    priced: tuple[tuple[Keys, str, str], ...]
    """Of the file of prices: the path of each row, `models` or `deployments`, and the id it speaks of."""


def suppose(own: Document, files: Mapping[Part, Path]) -> Supposition:
    """`own` with what the files say. Raises `ConfigError` naming file, line and field."""
    layers = _Layers(own)
    findings: list[Finding] = []
    priced: list[tuple[Keys, str, str]] = []
    parts: tuple[Part, ...] = ("catalog", "prices", "policy", "commitments")  # prices are said of the catalog
    for part in parts:
        if part not in files:
            continue
        file = document.read(files[part])
        if file.failure is not None:
            raise ConfigError([msgspec.structs.replace(file.failure, next_step=_advice(file.failure, part))])
        findings += _looked_at(file, part)
        for section in _SECTIONS[part]:
            if section not in file.data:
                continue
            if section in _ROWS:
                said = layers.rows(file, section)
                if part == "prices":
                    findings += _only_prices(file, section)
                    priced += [(path, section, name) for path, name in said]
            elif part == "catalog":
                layers.names(file, section)
            else:
                layers.whole(file, section)
    if errors_in(findings):
        raise ConfigError(findings)
    return Supposition(layers.document(), tuple(findings), tuple(priced))


def _advice(failure: Finding, part: Part) -> str:
    return failure.next_step.replace("`--config`", f"`--{part}`")


def _looked_at(file: Document, part: Part) -> list[Finding]:
    """Findings about the sections of a file."""
    meant = _SECTIONS[part]
    listed = " and ".join(f"`{name}`" for name in meant)
    found: list[Finding] = []
    for section in file.data:
        line = file.lines.get((section,)) or next(
            (line for path, line in file.lines.items() if path[0] == section), None
        )
        if section in meant:
            continue
        if section in Settings.model_fields:
            message = f"this section is passed over: `--{part}` looks at {listed}"
            found.append(Finding(file.name, line, section, message, "Nothing need be done", "warning"))
        else:
            step = did_you_mean(section, Settings.model_fields, f"Write {listed}")
            found.append(
                Finding(file.name, line, section, "there is no such section", step, code="unknown_field")
            )
    if not any(section in file.data for section in meant) and not errors_in(found):
        found.append(
            Finding(file.name, None, "", f"the file says nothing of {listed}", f"Write {listed} in it")
        )
    return found


def _only_prices(file: Document, section: str) -> list[Finding]:
    found = []
    for index, row in rows(file.data, section):
        for field in row:
            if field not in _OF_A_PRICE[section]:
                path: Keys = (section, index, field)
                found.append(
                    Finding(
                        file.name,
                        _line(file, path),
                        dotted(path),
                        "a file of prices says nothing but prices",
                        "Leave it out, or give the file with `--catalog`",
                    )
                )
        if "price" not in row:
            path = (section, index)
            found.append(
                Finding(file.name, _line(file, path), dotted(path), "there is no `price`", "Give one")
            )
    return found


def _line(file: Document, path: Keys) -> int | None:
    for length in range(len(path), 0, -1):
        if path[:length] in file.lines:
            return file.lines[path[:length]]
    return None


class _Layers:
    """A document in the making, of several files."""

    def __init__(self, own: Document) -> None:
        self._own = own
        self._data: dict[str, Any] = deepcopy(dict(own.data))
        self._lines: dict[Keys, int] = dict(own.lines)
        self._files: dict[Keys, str] = dict(own.files)

    def document(self) -> Document:
        """The whole."""
        own = self._own
        return Document(own.name, self._data, self._lines, own.failure, own.stamp, self._files)

    def whole(self, file: Document, section: str) -> None:
        """The section of `file` in place of our own."""
        self._forget((section,))
        self._data[section] = deepcopy(file.data[section])
        self._take(file, (section,), (section,))

    def names(self, file: Document, section: str) -> None:
        """Each name of the section in place of our own of that name."""
        said, ours = file.data[section], self._data.get(section, {})
        if not (isinstance(said, dict) and isinstance(ours, dict)):
            self.whole(file, section)
            return
        self._data[section] = ours
        for name, value in said.items():
            self._forget((section, name))
            ours[name] = deepcopy(value)
            self._take(file, (section, name), (section, name))

    def rows(self, file: Document, section: str) -> list[tuple[Keys, str]]:
        """Each row laid over our own of the same id, or added; where they are now, with their ids."""
        said, ours = file.data[section], self._data.get(section, [])
        if not (isinstance(said, list) and isinstance(ours, list)):
            self.whole(file, section)
            return []
        self._data[section] = ours
        placed: list[tuple[Keys, str]] = []
        for index, row in enumerate(said):
            name = _id_of(section, row)
            place = next(
                (at for at, own in enumerate(ours) if name and _id_of(section, own) == name), len(ours)
            )
            if place == len(ours):
                ours.append(deepcopy(row))
                self._take(file, (section, index), (section, place))
            else:
                for field, value in row.items():
                    self._forget((section, place, field))
                    ours[place][field] = deepcopy(value)
                    self._take(file, (section, index, field), (section, place, field))
            placed.append(((section, place), name))
        return placed

    def _forget(self, path: Keys) -> None:
        for known in [known for known in self._lines if known[: len(path)] == path]:
            del self._lines[known]
            self._files.pop(known, None)

    def _take(self, file: Document, there: Keys, here: Keys) -> None:
        for path, line in file.lines.items():
            if path[: len(there)] == there:
                placed = (*here, *path[len(there) :])
                self._lines[placed] = line
                self._files[placed] = file.name


def _id_of(section: str, row: object) -> str:
    """What a row is known by; empty where it is none."""
    if not isinstance(row, dict):
        return ""
    said = row.get("id")
    if said is None and section == "deployments":
        model = row.get("upstream_model") or row.get("model")
        said = f"{row.get('provider')}/{model}" if model else None
    return said if isinstance(said, str) else ""
