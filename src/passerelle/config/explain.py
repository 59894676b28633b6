"""Validation errors of pydantic in our own words: what is wrong here, and the next step.

Values are repeated only where they cannot be secrets.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from passerelle.config.findings import Finding, did_you_mean
from passerelle.config.locate import Path
from passerelle.config.origin import Origin
from passerelle.config.schema import names_at
from passerelle.config.secret import looks_like_secret
from passerelle.config.templates import templates

_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "`true` or `false`",
    "string": "text between quotation marks",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a table",
    "mapping": "a table",
    "model": "a table",
    "model_attributes": "a table",
    "path": "a path between quotation marks",
}

_FOUND = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a table"}

_BOUND = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def findings_of(error: ValidationError, origin: Origin) -> list[Finding]:
    """One finding for each thing pydantic objects to."""
    return [_finding(dict(one), origin) for one in error.errors(include_url=False)]


def _finding(error: Mapping[str, Any], origin: Origin) -> Finding:
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    kind = str(error["type"])
    if kind == "extra_forbidden":
        return unknown_field(path, origin)
    if kind == "missing":
        return _missing(path, origin)
    message, next_step = _words(kind, error, path)
    return origin.finding(path, message, next_step, code="invalid_value")


def unknown_field(path: Path, origin: Origin) -> Finding:
    """A name that the section does not have."""
    section = path[:-1]
    known = names_at(section)
    otherwise = "Remove it; known here: " + ", ".join(f"`{name}`" for name in known)
    return origin.finding(
        path, "there is no such setting", did_you_mean(str(path[-1]), known, otherwise), code="unknown_field"
    )


def _missing(path: Path, origin: Origin) -> Finding:
    *parents, name = path
    if name == "kind" and len(path) == 3 and path[0] == "providers":
        entry = str(path[1])
        advice = "Say `kind`, and `base_url` where it needs one, or name a `template`"
        return origin.finding(
            path[:2],
            f"`{entry}` is not a well-known provider, and the entry does not say its `kind`",
            did_you_mean(entry, templates(), advice),
            code="unknown_provider",
        )
    return origin.finding(tuple(parents), f"`{name}` is missing", f"Add `{name}`", code="missing_field")


def _words(kind: str, error: Mapping[str, Any], path: Path) -> tuple[str, str]:
    context: Mapping[str, Any] = error.get("ctx") or {}
    value = error.get("input")
    if path and path[-1] == "credential":
        return (
            "this must be a reference to a secret, not the secret",
            "Put the secret into an environment variable or a file, and write `env:NAME` or `file:/path`",
        )
    if kind in ("literal_error", "enum"):
        choices = _choices(str(context.get("expected", "")))
        listed = "Choose one of " + ", ".join(f"`{choice}`" for choice in choices)
        said = f"`{value}`" if isinstance(value, str) and looks_like_secret(value) is None else "this"
        return f"{said} is not one of its values", (
            did_you_mean(value, choices, listed) if isinstance(value, str) else listed
        )
    if kind in _BOUND:
        key, words = _BOUND[kind]
        return f"{_shown(value)} is out of bounds", f"Give {words} {context.get(key)}"
    if kind in ("string_too_short", "too_short"):
        return "this is empty", "Give a value, or remove the line"
    if kind in ("string_too_long", "too_long"):
        return "this is too long", f"Keep within {context.get('max_length')}"
    if kind == "string_pattern_mismatch":
        return "this has characters or a form that is not allowed here", _pattern_advice(path)
    if kind == "int_from_float":
        return "this is not a whole number", "Give a number without a fraction"
    if kind == "value_error":
        return str(context.get("error", error["msg"])), "Correct it; docs/configuration.md has an example"
    wanted = _WANTED.get(kind.removesuffix("_type").removesuffix("_parsing"))
    if wanted:
        return f"this is {_FOUND.get(type(value), 'something else')}", f"Give {wanted}"
    return str(error["msg"])[:1].lower() + str(error["msg"])[1:], "Correct it; see docs/configuration.md"


def _choices(expected: str) -> list[str]:
    """Pydantic gives `'a', 'b' or 'c'`."""
    return [part for part in expected.replace(" or ", ", ").replace("'", "").split(", ") if part]


def _pattern_advice(path: Path) -> str:
    if path and path[-1] in ("verified_on", "released", "retires"):
        return "Write the date as YYYY-MM-DD between quotation marks"
    if path and path[-1] == "currency":
        return "Write the three capital letters of the currency, such as `USD`"
    return "Begin with a letter, a digit or `@`, and use no spaces, quotation marks or backslashes"


def _shown(value: object) -> str:
    return f"`{value}`" if isinstance(value, int | float) else "this"


def literal_secrets(data: Mapping[str, Any], origin: Origin) -> Iterable[Finding]:
    """A finding for each text in a file that looks like a secret, wherever it stands."""
    for path, text in _texts(data, ()):
        what = looks_like_secret(text)
        if what is not None:
            yield origin.finding(
                path,
                f"this looks like {what}, and secrets may not stand in a file of settings",
                "Put it into an environment variable or a file of its own, write `env:NAME` or "
                "`file:/path` here, and replace the secret if the file was shared",
                code="literal_secret",
            )


def _texts(value: object, path: Path) -> Iterable[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
