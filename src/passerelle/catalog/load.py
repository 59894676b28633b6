"""Settings and built-in data into a `Catalog`; whatever is inconsistent is a finding."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from passerelle.catalog.builtin import Builtin, builtin
from passerelle.catalog.capabilities import contradictions
from passerelle.catalog.lookup import Catalog
from passerelle.catalog.merge import deployments_of, models_of
from passerelle.catalog.prices import PriceBook, price_book
from passerelle.catalog.references import model_finding, reference_findings
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
    findings = (*reference_findings(settings.origin, known), *_findings(settings, catalog, known))
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
