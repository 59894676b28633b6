"""What settings there are: every path with its type, default and environment variable.

Walks the pydantic models, so that the documentation, the environment and did-you-mean all speak of the
same settings. Names in a path that the operator chooses are written `NAME`, `CLASS`, and lists `[]`.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from passerelle.config.entries import read_amount, read_sum
from passerelle.config.locate import Path
from passerelle.config.settings import Settings

PREFIX = "PASSERELLE_"

_SHORT = {
    ("store", "url"): "PASSERELLE_DATABASE_URL",
    ("telemetry", "log_level"): "PASSERELLE_LOG_LEVEL",
    ("telemetry", "log_format"): "PASSERELLE_LOG_FORMAT",
}
"""Names that are shorter than their path; `[server]` settings leave their section out too."""

_KEY_NAMES = {
    "providers": "NAME",
    "classes": "CLASS",
    "aliases": "NAME",
    "names": "NAME",
    "organisations": "NAME",
    "tests": "NAME",
}


class Setting(msgspec.Struct, frozen=True):
    """A leaf of the settings tree."""

    path: str
    """As documented: `providers.NAME.base_url`, `deployments[].model`."""
    type: str
    default: str
    """As TOML would write it; `required`, or `unset`."""
    env: str | None
    """The environment variable that overrides it, where there is one."""


@cache
def settings_table() -> tuple[Setting, ...]:
    """Every setting there is, in the order of the models."""
    return tuple(_walk(Settings, (), ""))


@cache
def environment_names() -> Mapping[str, tuple[tuple[str, ...], Any]]:
    """Environment variable → path and annotation of the setting it overrides."""
    found: dict[str, tuple[tuple[str, ...], Any]] = {}
    for name, field in Settings.model_fields.items():
        section = _bare(field.annotation)
        if _is_model(section):
            for inner, inner_field in section.model_fields.items():
                if not _is_open(_bare(inner_field.annotation)):
                    found[environment_name((name, inner))] = ((name, inner), inner_field.annotation)
        elif not _is_open(section):
            found[environment_name((name,))] = ((name,), field.annotation)
    return found


def environment_name(path: tuple[str, ...]) -> str:
    """The variable that overrides a setting of a fixed section."""
    if path in _SHORT:
        return _SHORT[path]
    parts = path[1:] if path[0] == "server" else path
    return PREFIX + "_".join(parts).upper()


def names_at(path: Path) -> tuple[str, ...]:
    """The names that may stand at `path`; empty where the operator chooses them."""
    here: Any = Settings
    for part in path:
        if _is_model(here):
            field = here.model_fields.get(str(part))
            if field is None:
                return ()
            here = _bare(field.annotation)
        elif get_origin(here) is tuple:
            here = _bare(get_args(here)[0])
        elif get_origin(here) is Mapping:
            here = _bare(get_args(here)[1])
        else:
            return ()
    return tuple(here.model_fields) if _is_model(here) else ()


def base_type(annotation: Any) -> Any:
    """The plain type inside `Annotated` and `| None`."""
    return _bare(annotation)


def _walk(model: type[BaseModel], path: tuple[str, ...], shown: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        here = f"{shown}.{name}" if shown else name
        inner = _bare(field.annotation)
        origin = get_origin(inner)
        if _is_model(inner):
            yield from _walk(inner, (*path, name), here)
        elif origin is tuple and _is_model(_bare(get_args(inner)[0])):
            yield from _walk(_bare(get_args(inner)[0]), (), f"{here}[]")
        elif origin is Mapping and _is_model(_bare(get_args(inner)[1])):
            yield from _walk(_bare(get_args(inner)[1]), (), f"{here}.{_KEY_NAMES[name]}")
        elif origin is Mapping:
            yield Setting(f"{here}.{_KEY_NAMES[name]}", _words(get_args(inner)[1]), "unset", None)
        else:
            yield Setting(here, _words_for(field), _default(field), _environment_of((*path, name), shown))


def _environment_of(path: tuple[str, ...], shown: str) -> str | None:
    if "." in shown or "[" in shown:
        return None
    return next((name for name, (known, _) in environment_names().items() if known == path), None)


def _bare(annotation: Any) -> Any:
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, UnionType) and type(None) in get_args(annotation):
            rest = [arg for arg in get_args(annotation) if arg is not type(None)]
            if len(rest) != 1:
                return annotation
            annotation = rest[0]
        else:
            return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_open(annotation: Any) -> bool:
    """A table or list whose entries the operator makes: not for one environment variable."""
    origin = get_origin(annotation)
    if origin is tuple:
        return _is_model(_bare(get_args(annotation)[0]))
    return _is_model(annotation) or origin in (Mapping, dict)


_WORDS = {"str": "text", "int": "integer", "float": "number", "bool": "boolean", "Path": "path"}


def _words_for(field: FieldInfo) -> str:
    if any(
        isinstance(mark, BeforeValidator) and mark.func in (read_amount, read_sum) for mark in _marks(field)
    ):
        return "amount"
    return _words(field.annotation)


def _marks(field: FieldInfo) -> list[Any]:
    """What `Annotated` says of a field, under `| None` too."""
    inner = [mark for arg in get_args(field.annotation) for mark in getattr(arg, "__metadata__", ())]
    return [*field.metadata, *inner]


def _words(annotation: Any) -> str:
    annotation = _bare(annotation)
    origin = get_origin(annotation)
    if origin is Literal:
        return " | ".join(f'"{choice}"' for choice in get_args(annotation))
    if origin in (tuple, frozenset):
        return f"list of {_words(get_args(annotation)[0])}"
    if origin in (Mapping, dict):
        return "table"
    name = getattr(annotation, "__name__", str(annotation))
    return "secret reference" if name == "SecretRef" else _WORDS.get(name, name)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | frozenset | dict):
        return "[]" if not isinstance(value, dict) else "{}"
    return f'"{value}"' if isinstance(value, str) else str(value)
