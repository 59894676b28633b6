"""What models accept of a request's settings, from `data/parameters.toml` and the operator's corrections.

A row names models, providers and dialects, each of which may be left out; the rows that hold are laid over
one another in the file's order, then what the operator says of the model, then of the deployment.
"""

import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

import msgspec

from passerelle.core.accepts import ANYTHING, Accepts, Range, Samples, Setting, Thinking, Tools, laid_over
from passerelle.core.model import Deployment
from passerelle.core.request import Dialect, Effort


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `data/parameters.toml`; its fields are those of `core.accepts.Accepts`."""

    source: str
    models: tuple[str, ...] = ()
    """Ids or patterns; empty is any."""
    providers: tuple[str, ...] = ()
    dialects: tuple[Dialect, ...] = ()
    refuses: frozenset[Setting] = frozenset()
    takes: frozenset[Setting] = frozenset()
    """Settings that an earlier row refuses and that are taken after all."""
    ranges: tuple[Range, ...] = ()
    efforts: tuple[Effort, ...] | None = None
    thinking: frozenset[Thinking] | None = None
    stops: int | None = None
    one_sampler: bool | None = None
    plain_when_thinking: bool | None = None
    samples: Samples | None = None
    tools: Tools | None = None

    def holds(self, model: str, provider: str | None, dialect: Dialect) -> bool:
        """Whether it speaks of this model there."""
        return (
            (not self.providers or provider in self.providers)
            and (not self.dialects or dialect in self.dialects)
            and (not self.models or any(fnmatchcase(model, pattern) for pattern in self.models))
        )

    def accepts(self) -> Accepts:
        """What it says."""
        return Accepts(
            refuses=self.refuses,
            ranges=self.ranges,
            efforts=self.efforts,
            thinking=self.thinking,
            stops=self.stops,
            one_sampler=self.one_sampler,
            plain_when_thinking=self.plain_when_thinking,
            samples=self.samples,
            tools=self.tools,
            sources=(self.source,),
        )


@cache
def rows() -> tuple[Row, ...]:
    """The built-in rows, read once."""
    text = files("passerelle.catalog").joinpath("data", "parameters.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text)["parameters"], tuple[Row, ...])


@cache
def accepted(model: str, provider: str | None, dialect: Dialect) -> Accepts:
    """What the built-in rows say of `model` at the template `provider`, spoken to in `dialect`."""
    found = ANYTHING
    for row in rows():
        if row.holds(model, provider, dialect):
            found = laid_over(found, row.accepts(), takes=row.takes)
    return found


def accepts_of(deployment: Deployment, dialect: Dialect) -> Accepts:
    """What a deployment accepts in `dialect`, the operator's corrections included."""
    found = accepted(deployment.model.id, deployment.template, dialect)
    for said in (deployment.model.accepts, deployment.accepts):
        if said is not None:
            found = laid_over(found, said.accepts, takes=said.takes)
    return found


def in_words(accepts: Accepts) -> Iterator[tuple[str, str]]:
    """What is taken and refused, one thing a line: its name, and how."""
    for limit in accepts.ranges:
        if limit.setting not in accepts.refuses:
            least = "" if limit.least is None else f"{limit.least:g}"
            most = "" if limit.most is None else f"{limit.most:g}"
            also = "".join(f" or {value:g}" for value in limit.also)
            yield limit.setting, f"{least}–{most}{also}" if least and most else f"≥ {least}{also}"
    if accepts.efforts is not None:
        yield "effort", ", ".join(accepts.efforts) or "none"
    if accepts.thinking is not None:
        yield "thinking", ", ".join(sorted(accepts.thinking))
    if accepts.stops is not None and "stop" not in accepts.refuses:
        yield "stop", f"at most {accepts.stops}"
    if accepts.one_sampler:
        yield "temperature, top_p", "one of them"
    if accepts.samples is not None:
        yield "temperature, top_p, logprobs", "only while it does not reason"
    if accepts.plain_when_thinking:
        yield "sampling, forced tools", "not while it thinks"
    if accepts.tools is not None:
        yield "tools", "through Responses" + ("" if accepts.tools == "never" else " when it reasons")
    for name in sorted(accepts.refuses):
        yield name, "no"
