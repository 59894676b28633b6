"""Provider templates: what a `[providers.NAME]` entry starts from when NAME is well known.

Data in `data/providers.toml`. A template is laid under the operator's entry field by field; attributes
likewise, and their evidence is kept only while the attributes it speaks of are the template's own.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import msgspec

from passerelle.core.request import Operation


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A well-known provider."""

    label: str
    """For people."""
    entry: dict[str, Any]
    """Fields of a provider entry."""
    env: tuple[str, ...] = ()
    """Environment variables that hold its key, the first one found is used."""
    region_env: tuple[str, ...] = ()
    """Environment variables that say its region, without which it has no address."""
    key_url: str | None = None
    """Where to get a key."""
    docs_url: str | None = None
    """The provider's own documentation of its API."""
    note: str = ""
    credentials: str = ""
    """What it takes as a credential, in words."""
    limits: str = ""
    """Where its limits stand, and what it says when they are reached."""
    sources: dict[str, str] = {}
    """For each quirk of the entry, and other things said here: who says so. All read 2026-11-22."""
    tasks: dict[Operation, str] = {}
    """What it does beside chat that is reached from here, and who says so. All read 2026-11-22."""
    not_reached: str = ""
    """What else it does beside chat, and why it is not reached."""
    start: str = ""
    """How to start a server of one's own, as a command."""
    hosts: tuple[str, ...] = ()
    """Ends of host names at which it is still the place its attributes speak of, where each customer has an
    address of his own."""
    example: str = ""
    """The lines of an entry, for one that needs more than a key."""
    more: str = ""
    """What else its page says, in Markdown."""


@cache
def templates() -> Mapping[str, Template]:
    """Every template by name. Read once, on first use."""
    text = files("passerelle.config").joinpath("data/providers.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Template])


def template_name(name: str, entry: Mapping[str, Any]) -> str | None:
    """Which template an entry starts from: the one it names, else its own name's, else its kind's."""
    said = entry.get("template")
    if isinstance(said, str):
        return said if said in templates() else None
    if name in templates():
        return name
    kind = entry.get("kind")
    return kind if isinstance(kind, str) and kind in templates() else None


def moved_elsewhere(entry: Mapping[str, Any], template: Template) -> bool:
    """Whether the operator's entry is at another address than the template's."""
    said, known = entry.get("base_url"), template.entry.get("base_url")
    if said is None or said == known:
        return False
    if not template.hosts or not isinstance(said, str):
        return True
    try:
        host = urlsplit(said).hostname or ""
    except ValueError:
        return True
    return not host.endswith(template.hosts)


def laid_under(entry: Mapping[str, Any], template: Template) -> dict[str, Any]:
    """The operator's entry with the template's fields where it says nothing.

    An entry that moves `base_url` elsewhere has left the place the template's attributes speak of, so it
    keeps none of them: unknown until the operator says. Nor has it the template's batch service, nor may it
    connect to private addresses unasked.
    """
    merged = {**template.entry, **entry}
    if moved_elsewhere(entry, template) and "allow_private_network" not in entry:
        merged.pop("allow_private_network", None)  # it was for the template's own address
    theirs, ours = template.entry.get("attributes"), entry.get("attributes")
    if moved_elsewhere(entry, template):
        if "batches" not in entry:
            merged.pop("batches", None)
        merged["attributes"] = ours if ours is not None else {}
    elif isinstance(theirs, dict) and isinstance(ours, dict):
        merged["attributes"] = {**theirs, **ours}
        if isinstance(ours.get("evidence", []), list):
            merged["attributes"]["evidence"] = [*theirs.get("evidence", []), *ours.get("evidence", [])]
    return merged
