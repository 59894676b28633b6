"""`passerelle models`."""

import os
from pathlib import Path

import click
import msgspec

from passerelle.catalog import describe, load_catalog
from passerelle.cli.client import Client
from passerelle.cli.common import (
    Failure,
    config_options,
    json_option,
    print_json,
    print_table,
    settings_for,
)
from passerelle.config import ConfigError
from passerelle.core.model import Deployment


@click.command()
@config_options
@click.option("--all", "everything", is_flag=True, help="Also the known models that nothing here serves.")
@click.option("--url", help="A running gateway to ask for health  [env: PASSERELLE_BASE_URL]")
@json_option
def command(config: Path | None, data: Path | None, everything: bool, url: str | None, as_json: bool) -> None:
    """List models with price, context, region and health.

    Prices are per million tokens. Health comes from a running gateway when PASSERELLE_API_KEY is set.

    \b
    Example:
      passerelle models --all
    """
    settings = settings_for(config, data)
    try:
        catalog = load_catalog(settings)
    except ConfigError as error:
        raise Failure("\n".join(str(finding) for finding in error.findings)) from error
    health = _health(url)
    rows = describe(catalog, everything=everything)
    if as_json:
        print_json([{**msgspec.structs.asdict(r), "health": _worst(r.deployments, health)} for r in rows])
        return
    by_id = catalog.by_id
    print_table(
        ["model", "maker", "context", "input", "output", "region", "through", "health"],
        [
            [
                row.id,
                row.maker,
                row.context_tokens,
                row.input_price,
                row.output_price,
                ",".join(sorted({_region(by_id[name]) for name in row.deployments})),
                ",".join(row.providers) if row.deployments else f"({row.status})",
                _worst(row.deployments, health),
            ]
            for row in rows
        ],
    )
    if not any(row.deployments for row in rows):
        click.echo(
            "No model is served yet: set a provider's key, or run `passerelle local install`.", err=True
        )


def _region(deployment: Deployment) -> str:
    return deployment.region or ",".join(deployment.attributes.regions or ()) or "?"


def _health(url: str | None) -> dict[str, str]:
    client = Client(url, None)
    if not client.has_key or (url is None and "PASSERELLE_BASE_URL" not in os.environ):
        return {}
    try:
        listed = client.get("/api/health", timeout_s=3.0).body["deployments"]
    except Failure as failure:
        click.echo(f"health is not known: {failure.message}", err=True)
        return {}
    return {str(item["deployment"]): str(item["state"]) for item in listed}


def _worst(deployments: tuple[str, ...], health: dict[str, str]) -> str:
    """The state of a model: healthy as soon as one of its deployments is."""
    states = {health.get(name, "unknown") for name in deployments}
    return next((s for s in ("healthy", "unknown", "open") if s in states), "")
