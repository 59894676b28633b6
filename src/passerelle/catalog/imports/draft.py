"""A `passerelle.toml` in the making: parts that are added in any order, written out in ours."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from passerelle.config.crosscheck import is_reserved
from passerelle.config.templates import templates
from passerelle.core.model import Model

_NOT_IN_NAMES = re.compile(r"[\s`\"'\\]+")
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def safe_name(text: str) -> str:
    """`text` as a name we take: no white space, quotes or backslashes, nothing that is the router's."""
    name = _NOT_IN_NAMES.sub("-", text.strip()).lstrip("-./*_:") or "imported"
    return f"imported-{name}" if is_reserved(name) else name[:200]


@dataclass
class ProviderDraft:
    """An entry of `[providers]`."""

    name: str
    template: str | None
    kind: str | None = None
    base_url: str | None = None
    credential: str | None = None
    region: str | None = None
    allow_private: bool = False
    patterns: list[str] | None = field(default_factory=list)
    """Offers let in; None for all of the template's."""
    total_s: float | None = None


@dataclass
class DeploymentDraft:
    """An entry of `[[deployments]]`. `known` is the built-in model it is, when recognised."""

    provider: ProviderDraft
    upstream: str
    known: Model | None
    model: str = ""
    id: str | None = None
    weight: float | None = None
    requests_per_minute: int | None = None
    concurrency: int | None = None
    price: dict[str, object] | None = None
    dialect: str | None = None
    said: dict[str, object] = field(default_factory=dict)
    """What the entry itself says of its model, for one that is not recognised."""

    @property
    def identity(self) -> str:
        """The id it has or will be given."""
        return self.id or f"{self.provider.name}/{self.upstream}"


@dataclass
class ModelDraft:
    """An entry of `[[models]]`."""

    id: str
    fields: dict[str, object] = field(default_factory=dict)


@dataclass
class Draft:
    """The whole."""

    providers: list[ProviderDraft] = field(default_factory=list)
    models: dict[str, ModelDraft] = field(default_factory=dict)
    deployments: list[DeploymentDraft] = field(default_factory=list)
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    deadlines: dict[str, float] = field(default_factory=dict)

    def variables(self) -> frozenset[str]:
        """Environment variables that must be set for the written file to work."""
        named = {p.credential.removeprefix("env:") for p in self.providers if p.credential is not None}
        usual = {
            templates()[p.template].env[0]
            for p in self.providers
            if p.credential is None and p.template is not None and templates()[p.template].env
        }
        return frozenset(named | usual)

    def written(self, heading: str) -> str:
        """The text of the file."""
        lines = [f"# {line}".rstrip() for line in heading.splitlines()]
        lines += [f"#   {name}" for name in sorted(self.variables())]
        if self.deadlines:
            lines += ["", "[deadlines]", *_pairs(self.deadlines)]
        for provider in self.providers:
            lines += ["", f"[providers.{_key(provider.name)}]", *_pairs(_provider_fields(provider))]
        for model in self.models.values():
            lines += ["", "[[models]]", *_pairs({"id": model.id, **model.fields})]
        for deployment in self.deployments:
            lines += ["", "[[deployments]]", *_pairs(_deployment_fields(deployment))]
        if self.aliases:
            lines += ["", "[aliases]"]
            lines += [f"{_key(name)} = {_value(list(targets))}" for name, targets in self.aliases.items()]
        return "\n".join(lines) + "\n"


def _provider_fields(provider: ProviderDraft) -> dict[str, object]:
    fields: dict[str, object] = {}
    if provider.template is not None and provider.template != provider.name:
        fields["template"] = provider.template
    said = {
        "kind": provider.kind,
        "base_url": provider.base_url,
        "credential": provider.credential,
        "region": provider.region,
        "allow_private_network": provider.allow_private or None,
        "models": provider.patterns if provider.template is not None else None,
        "deadlines": None if provider.total_s is None else {"total_s": provider.total_s},
    }
    return fields | {name: value for name, value in said.items() if value is not None}


def _deployment_fields(deployment: DeploymentDraft) -> dict[str, object]:
    limits = {
        "requests_per_minute": deployment.requests_per_minute,
        "concurrency": deployment.concurrency,
    }
    said: dict[str, object | None] = {
        "id": deployment.id,
        "provider": deployment.provider.name,
        "model": deployment.model,
        "upstream_model": deployment.upstream if deployment.upstream != deployment.model else None,
        "dialect": deployment.dialect,
        "weight": deployment.weight,
        "limits": {name: value for name, value in limits.items() if value is not None} or None,
        "price": deployment.price,
    }
    return {name: value for name, value in said.items() if value is not None}


def _pairs(fields: Mapping[str, object]) -> Iterator[str]:
    for name, value in fields.items():
        yield f"{_key(name)} = {_value(value)}"


def _key(name: str) -> str:
    return name if _BARE.match(name) else _quoted(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return _quoted(f"{value:f}")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items()) + " }"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    """A TOML basic string: quotes, backslashes and every control character escaped."""
    out = ['"']
    for character in text:
        if character in '"\\':
            out.append("\\" + character)
        elif character < " " or character == "\x7f":
            out.append(f"\\u{ord(character):04x}")
        else:
            out.append(character)
    return "".join([*out, '"'])
