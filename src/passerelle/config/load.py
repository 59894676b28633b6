"""Reading a configuration: file, environment and overrides, laid over one another and checked whole.

Order, later over earlier: built-in defaults, provider templates, the file, `PASSERELLE_*` environment
variables, overrides (the command line). Nothing here runs at import.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from passerelle.config import document
from passerelle.config.crosscheck import cross_findings
from passerelle.config.environment import default_data_dir, expanded, overrides_in, unknown_names
from passerelle.config.explain import findings_of, literal_secrets
from passerelle.config.findings import ConfigError, Finding, errors_in, in_order
from passerelle.config.origin import Origin
from passerelle.config.settings import Settings, default_weights
from passerelle.config.templates import laid_under, template_name, templates

NO_OVERRIDES: Mapping[str, object] = {}

_PATHS = (("data_dir",), ("server", "tls_cert"), ("server", "tls_key"), ("local", "weights"))


class Inspection(msgspec.Struct, frozen=True):
    """A configuration looked at whole."""

    settings: Settings | None
    """None when a finding is an error."""
    origin: Origin
    """The merged data and where each value came from, there even when the settings are not."""
    findings: tuple[Finding, ...]


def load_settings(
    path: Path | None, env: Mapping[str, str], overrides: Mapping[str, object] = NO_OVERRIDES
) -> Settings:
    """The settings of a file (or of none), the environment and overrides by dotted path
    (`{"server.port": 4001}`). Raises `ConfigError` with every finding.
    """
    inspection = inspect(path, env, overrides)
    if inspection.settings is None:
        raise ConfigError(inspection.findings)
    return inspection.settings


def load_part(
    path: Path | None,
    env: Mapping[str, str],
    overrides: Mapping[str, object],
    sections: frozenset[str],
) -> tuple[Settings, tuple[Finding, ...]]:
    """The settings of some top-level sections, defaults for the others, and the errors passed over: those of
    the other sections, and credentials of providers that do not resolve here. Raises `ConfigError` for the
    rest, and for a section nobody knows: it may be one of these, misspelt.
    """
    inspection = inspect(path, env, overrides)
    errors = errors_in(inspection.findings)
    if inspection.settings is not None:
        return inspection.settings, ()
    needed = [finding for finding in errors if _concerns(finding, sections)]
    if needed:
        raise ConfigError(needed)
    data = inspection.origin.data
    try:
        settings = Settings.model_validate({name: data[name] for name in sections if name in data})
    except ValidationError as error:
        raise ConfigError(findings_of(error, inspection.origin)) from error
    object.__setattr__(settings, "_origin", inspection.origin)
    return settings, errors


def _concerns(finding: Finding, sections: frozenset[str]) -> bool:
    section = re.split(r"[.\[]", finding.field, maxsplit=1)[0]
    if section == "providers" and finding.code == "unresolved_secret":
        return False
    return section in sections or section not in Settings.model_fields


def check(
    path: Path | None, env: Mapping[str, str], overrides: Mapping[str, object] = NO_OVERRIDES
) -> list[Finding]:
    """Every mistake and remark, in order; empty when all is well. What models are named is checked by
    `catalog.check`, which calls this first.
    """
    return list(inspect(path, env, overrides).findings)


def inspect(
    path: Path | None, env: Mapping[str, str], overrides: Mapping[str, object] = NO_OVERRIDES
) -> Inspection:
    """Read, merge and check. Never raises for what is in the configuration."""
    file = document.Document("settings") if path is None else document.read(path)
    return inspect_document(file, env, overrides, has_file=path is not None)


def inspect_document(
    file: document.Document,
    env: Mapping[str, str],
    overrides: Mapping[str, object] = NO_OVERRIDES,
    *,
    has_file: bool = True,
) -> Inspection:
    """As `inspect`, for a file already read."""
    data: dict[str, Any] = deepcopy(dict(file.data))
    origin = Origin(file.name, file.lines, {}, env, data, file.stamp, file.files)
    if file.failure is not None:
        return Inspection(None, origin, (file.failure,))
    findings = list(literal_secrets(file.data, origin))
    _lay_over(data, origin, env, overrides)
    _complete(data, origin, env, has_file=has_file)
    _lay_templates_under(data, origin)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        findings += findings_of(error, origin)
    findings += cross_findings(origin)
    findings += unknown_names(env, _referenced(data))
    if settings is not None:
        object.__setattr__(settings, "_origin", origin)
    ordered = in_order(_without_echoes(findings))
    return Inspection(None if errors_in(ordered) else settings, origin, ordered)


def _without_echoes(findings: list[Finding]) -> Iterator[Finding]:
    """A literal secret is one mistake, though the field that holds it objects to it too."""
    leaks = {(f.file, f.field) for f in findings if f.code == "literal_secret"}
    for finding in findings:
        if finding.code == "literal_secret" or (finding.file, finding.field) not in leaks:
            yield finding


def _lay_over(
    data: dict[str, Any], origin: Origin, env: Mapping[str, str], overrides: Mapping[str, object]
) -> None:
    for name, path, value in overrides_in(env):
        _put(data, path, value)
        origin.layers[path] = f"environment variable {name}"
    for dotted_path, value in overrides.items():
        path = tuple(dotted_path.split("."))
        _put(data, path, value)
        origin.layers[path] = "command line"


def _put(data: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for part in path[:-1]:
        inner = data.setdefault(part, {})
        if not isinstance(inner, dict):
            return  # validation says that the section is not a table
        data = inner
    data[path[-1]] = value


def _complete(data: dict[str, Any], origin: Origin, env: Mapping[str, str], *, has_file: bool) -> None:
    """Paths made whole, and the providers that need no entry."""
    if "data_dir" not in data:
        data["data_dir"] = str(default_data_dir(env))
        origin.layers[("data_dir",)] = "default"
    folder = Path(origin.file).parent if has_file else None
    for path in _PATHS:
        _complete_path(data, path, env, None if path in origin.layers else folder)
    providers = data.setdefault("providers", {})
    if not isinstance(providers, dict):
        return
    local = data.get("local") if isinstance(data.get("local"), dict) else {}
    if "local" not in providers and _wants_local(data, local or {}):
        providers["local"] = {}
        origin.layers[("providers", "local")] = "default"
    from_environment = data.get("providers_from_environment")
    if from_environment is True or (from_environment is None and not has_file):
        for name, template in templates().items():
            variable = next((v for v in template.env if env.get(v)), None)
            placed = not template.region_env or any(env.get(v) for v in template.region_env)
            if variable is not None and placed and name not in providers:
                providers[name] = {"credential": f"env:{variable}"}
                origin.layers[("providers", name)] = f"environment variable {variable}"


def _complete_path(
    data: dict[str, Any], path: tuple[str, ...], env: Mapping[str, str], folder: Path | None
) -> None:
    """`~` is the home folder; a relative path in a file starts at the file's own folder."""
    table: Any = data
    for part in path[:-1]:
        table = table.get(part)
        if not isinstance(table, dict):
            return
    value = table.get(path[-1])
    if isinstance(value, str) and value:
        whole = expanded(Path(value), env)
        table[path[-1]] = str(folder / whole if folder is not None else whole)


def _wants_local(data: Mapping[str, Any], local: Mapping[str, Any]) -> bool:
    """Said, or else: once its weights are installed."""
    enabled = local.get("enabled")
    if enabled is not None:
        return enabled is True
    weights, folder = local.get("weights"), data.get("data_dir")
    if isinstance(weights, str):
        return Path(weights).is_file()
    return isinstance(folder, str) and default_weights(Path(folder)).is_file()


def _lay_templates_under(data: dict[str, Any], origin: Origin) -> None:
    providers = data.get("providers")
    if not isinstance(providers, dict):
        return
    for name, entry in list(providers.items()):
        if not isinstance(entry, dict):
            continue
        chosen = template_name(name, entry)
        if chosen is None:
            continue
        template = templates()[chosen]
        merged = laid_under(entry, template)
        if "region" not in merged:
            found = next((v for v in template.region_env if origin.env.get(v)), None)
            if found is not None:
                merged["region"] = origin.env[found]
        if "credential" not in merged and template.env and not merged.keys() & {"aws", "entra"}:
            variable = next((v for v in template.env if origin.env.get(v)), template.env[0])
            merged["credential"] = f"env:{variable}"
        merged.setdefault("template", chosen)
        for field in merged.keys() - entry.keys():
            if field != "credential":  # a missing key is the entry's own matter: point at its line
                origin.layers[("providers", name, field)] = f"built-in template `{chosen}`"
        providers[name] = merged


def _referenced(data: Mapping[str, Any]) -> set[str]:
    """Environment variables that the configuration refers to."""
    found: set[str] = set()
    rows: list[object] = [data.get("store")]
    providers = data.get("providers")
    rows += providers.values() if isinstance(providers, dict) else []
    rows += [row[name] for row in rows if isinstance(row, dict) for name in ("aws", "entra") if name in row]
    for row in rows:
        for value in row.values() if isinstance(row, dict) else ():
            if isinstance(value, str) and value.startswith("env:"):
                found.add(value.removeprefix("env:"))
    return found
