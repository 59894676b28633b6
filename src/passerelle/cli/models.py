"""`passerelle models`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from passerelle.cli import look
from passerelle.cli.client import Client
from passerelle.cli.common import (
    CATALOG,
    Failure,
    config_options,
    json_option,
    print_json,
    refused,
    settings_of,
)
from passerelle.core.model import Deployment

if TYPE_CHECKING:
    from passerelle.catalog.describe import ModelRow


@click.command()
@config_options
@click.option("--all", "everything", is_flag=True, help="Also the known models that nothing here serves.")
@click.option("--url", help="A running gateway to ask for health  [env: PASSERELLE_BASE_URL]")
@json_option
def command(config: Path | None, data: Path | None, everything: bool, url: str | None, as_json: bool) -> None:
    """List models with price, context, region and health.

    Prices are per million tokens, in US dollars unless another currency or unit is said. `where` is where
    inference runs: `?` when no document of the provider's says so. Under the list stands which of them their
    makers end, and when; clouds may serve them for longer. Health comes from a running gateway, when
    PASSERELLE_API_KEY may ask it.

    \b
    Example:
      passerelle models
      passerelle models --all --json
    """
    from passerelle.catalog import describe, load_catalog
    from passerelle.config import ConfigError

    settings = settings_of(config, data, CATALOG)
    try:
        catalog = load_catalog(settings)
    except ConfigError as error:
        raise refused(error) from error
    health = _health(url)
    rows = describe(catalog, everything=everything)
    if as_json:
        print_json([{**msgspec.structs.asdict(r), "health": _worst(r.deployments, health)} for r in rows])
        return
    by_id = catalog.by_id
    look.table(
        ["model", "maker", "context", "in", "out", "where", "through", "health"],
        [
            [
                row.id,
                row.maker,
                look.tokens(row.context_tokens),
                *_prices(row),
                look.few(sorted({_region(by_id[name]) for name in row.deployments})),
                look.few(row.providers, 2) if row.deployments else f"({row.status})",
                _worst(row.deployments, health) if health else "",
            ]
            for row in rows
        ],
        right=("context", "in", "out"),
    )
    for row in rows:
        if row.retires is not None and row.deployments:
            by = row.retires_source or "configuration"
            click.echo(f"`{row.id}` ends on {row.retires} ({by}).", err=True)
    if not any(row.deployments for row in rows):
        click.echo(
            "No model is served yet: set a provider's key (OPENAI_API_KEY, ANTHROPIC_API_KEY, …), or run "
            "`passerelle local install`.",
            err=True,
        )


_SHORT_UNITS = {"an hour of sound": "an hour", "a million characters": "a Mchar", "a megapixel": "a MP"}
"""Within a narrow column."""


def _prices(row: "ModelRow") -> tuple[str, str]:
    """Per million tokens, or what is billed in their place."""
    if row.unit_prices and row.input_price.startswith("0 ") and row.output_price.startswith("0 "):
        amount, _, unit = row.unit_prices.replace(" USD", "").partition(" ")
        return amount, _SHORT_UNITS.get(unit, unit)
    return row.input_price.removesuffix(" USD"), row.output_price.removesuffix(" USD")


def _region(deployment: Deployment) -> str:
    return deployment.region or ",".join(deployment.attributes.regions or ()) or "?"


def _health(url: str | None) -> dict[str, str]:
    client = Client(url, None)
    if not client.has_key:
        return {}
    try:
        listed = client.get("/api/health", timeout_s=3.0).body["deployments"]
    except Failure as failure:
        if url is not None or "PASSERELLE_BASE_URL" in os.environ:  # it was asked for
            click.echo(f"Health is not known: {failure.message}", err=True)
        return {}
    return {str(item["deployment"]): str(item["state"]) for item in listed}


def _worst(deployments: tuple[str, ...], health: dict[str, str]) -> str:
    """The state of a model: healthy as soon as one of its deployments is."""
    states = {health.get(name, "unknown") for name in deployments}
    ranks = ("healthy", "unknown", "half-open", "waiting", "open")
    return next((state for state in ranks if state in states), "")
