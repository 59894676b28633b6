"""Settings and built-in data into a `Catalog`; whatever is inconsistent is a finding."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from passerelle.catalog.builtin import Builtin, builtin
from passerelle.catalog.capabilities import contradictions
from passerelle.catalog.choices import choice_findings
from passerelle.catalog.lookup import Catalog
from passerelle.catalog.merge import deployments_of, follows_maker, models_of
from passerelle.catalog.prices import PriceBook, price_book
from passerelle.catalog.references import model_finding, reference_findings
from passerelle.config.crosscheck import smart_aliases
from passerelle.config.findings import ConfigError, Finding, errors_in, in_order
from passerelle.config.load import NO_OVERRIDES, inspect
from passerelle.config.settings import Settings


class Built(msgspec.Struct, frozen=True):
    """A catalog with what is to be said of it."""

    catalog: Catalog
    findings: tuple[Finding, ...]
    book: PriceBook


def load_catalog(settings: Settings, *, on: date | None = None) -> Catalog:
    """The catalog of an installation on a day (today's UTC date when not said): prices take effect and
    models retire by date. Raises `ConfigError` with every finding when one is an error.
    """
    built = build(settings, on=on)
    if errors_in(built.findings):
        raise ConfigError(built.findings)
    return built.catalog


def check(
    path: Path | None, env: Mapping[str, str], overrides: Mapping[str, object] = NO_OVERRIDES
) -> list[Finding]:
    """Every mistake and remark of a configuration, models included: what `passerelle check` shows."""
    inspection = inspect(path, env, overrides)
    if inspection.settings is not None:
        return list(in_order((*inspection.findings, *build(inspection.settings).findings)))
    found = () if not inspection.origin.data else reference_findings(inspection.origin, builtin())
    return list(in_order((*inspection.findings, *found)))


def build(settings: Settings, *, on: date | None = None) -> Built:
    """The catalog and its findings; usable even when some are errors, with what they speak of left out."""
    known = builtin()
    book = price_book(known.rows, on or datetime.now(UTC).date(), source=known.price_source)
    models = models_of(settings, known, book)
    deployments = tuple(deployments_of(settings, known, models, book))
    offered = {identity: known.templates_offering(identity) for identity in models}
    catalog = Catalog.of(
        models.values(),
        deployments,
        dict(settings.aliases),
        offered_by={identity: templates for identity, templates in offered.items() if templates},
    )
    findings = (
        *reference_findings(settings.origin, known),
        *_findings(settings, catalog, known),
        *_ending(settings, catalog, book.on),
    )
    return Built(catalog, in_order(findings), book)


def _findings(settings: Settings, catalog: Catalog, known: Builtin) -> Iterator[Finding]:
    origin = settings.origin
    for said in settings.models:
        model = catalog.models[said.id]
        for field, message, next_step in contradictions(model):
            yield model_finding(origin, model, field, message, next_step)
    yield from _overtaken(settings, catalog)
    for index, entry in enumerate(settings.deployments):
        deployment = catalog.by_id.get(entry.id or f"{entry.provider}/{entry.upstream_model or entry.model}")
        if deployment is None:
            continue
        kind = settings.providers[entry.provider].kind
        if deployment.effective_price is None and kind not in ("local", "simulated"):
            yield origin.finding(
                ("deployments", index),
                f"no price is known for `{deployment.id}`, so budgets cannot count it",
                "Give `price` here or on the model; `{ input = 0, output = 0 }` if it costs nothing",
                severity="warning",
                code="no_price",
            )
    yield from choice_findings(settings, catalog)
    smart = {path[-1] for path in smart_aliases(origin.data)}
    for name in settings.router.names:
        if name not in smart and not (
            catalog.resolve(name) or name in settings.aliases or name.partition("/")[0] == "smart"
        ):
            yield origin.finding(
                ("router", "names", name),
                f"nothing is called `{name}` here, so this is said of no request",
                "Name an alias, a model that is served, or `smart`",
                severity="warning",
                code="unknown_name",
            )
    for alias, targets in settings.aliases.items():
        meant = all(catalog.model(target) or target in settings.aliases for target in targets)
        if meant and alias not in catalog.names:
            listed = ", ".join(f"`{target}`" for target in targets)
            yield origin.finding(
                ("aliases", alias),
                f"nothing that is configured serves {listed}, so this alias leads nowhere",
                "Add a provider that serves it",
                severity="warning",
                code="nothing_served",
            )


ENDING = "retires_soon"
"""The code of a finding about an alias to a model that ends soon."""
SOON_DAYS = 60
"""How long before a model ends an alias to it is warned of: the notice Anthropic gives of a retirement."""


def _ending(settings: Settings, catalog: Catalog, on: date) -> Iterator[Finding]:
    """Targets of aliases that their makers end soon, or have ended."""
    for alias, targets in settings.aliases.items():
        for index, target in enumerate(targets):
            deployment = catalog.by_id.get(target)
            model = deployment.model if deployment is not None else catalog.model(target)
            if model is None or model.retires is None:
                continue
            if deployment is not None:
                places = [settings.providers[deployment.provider].kind]
            else:
                places = [
                    settings.providers[d.provider].kind for d in catalog.deployments if d.model.id == model.id
                ]
            if places and not any(follows_maker(model, kind) for kind in places):
                continue  # it is only where days are others
            left = (date.fromisoformat(model.retires) - on).days
            if left <= SOON_DAYS:
                when = f"ends on {model.retires}, in {left} days" if left > 0 else f"ended on {model.retires}"
                yield settings.origin.finding(
                    ("aliases", alias, index),
                    f"`{model.id}` {when}: its maker retires it",
                    "Name a newer model; `passerelle models` lists what is served, with the days they end",
                    severity="warning",
                    code=ENDING,
                )


def _overtaken(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """Targets of aliases that look like deployments of a configured provider and are none."""
    for alias, targets in settings.aliases.items():
        for index, target in enumerate(targets):
            provider, _, rest = target.partition("/")
            if rest and provider in settings.providers and target not in catalog.names:
                near = [d.id for d in catalog.deployments if d.provider == provider]
                listed = " or ".join(f"`{name}`" for name in near[:3])
                yield settings.origin.finding(
                    ("aliases", alias, index),
                    f"provider `{provider}` has no deployment `{rest}`",
                    f"Name one that `passerelle models` lists{', such as ' + listed if listed else ''}",
                    code="unknown_model",
                )
