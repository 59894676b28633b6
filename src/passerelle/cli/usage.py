"""`passerelle usage`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click
import msgspec

from passerelle.cli import look
from passerelle.cli.common import (
    config_options,
    json_option,
    opened,
    org_option,
    organisation_id,
    print_json,
    settings_of,
)
from passerelle.config import Settings
from passerelle.core.money import show as show_money
from passerelle.ledger.reports import DIMENSIONS, Dimension


@click.command()
@config_options
@click.option(
    "--by",
    type=click.Choice(DIMENSIONS),
    multiple=True,
    default=("model",),
    show_default=True,
    help="What to add up by; may be given again.",
)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this day on (UTC).")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Until before this day (UTC).")
@org_option
@json_option
def command(
    config: Path | None,
    data: Path | None,
    by: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    org: str,
    as_json: bool,
) -> None:
    """Tokens and cost by model, provider, project, key, tag or day, out of the ledger.

    `model` is the name the catalog has for it, `provider_model` the provider's own. By `tag`, what a request
    of several tags used is in the line of each, and a request without is in none: the lines do not add up,
    and the last one is what all requests used, whatever their tags.

    \b
    Example:
      passerelle usage --by day --by model --since 2026-11-01
    """
    settings = settings_of(config, data)
    with opened(settings) as store:
        whose, names = organisation_id(store, org), _names(settings)
        asked = cast("tuple[Dimension, ...]", by)
        lines = store.usage.report(whose, by=asked, since=_ns(since), until=_ns(until), models=names)
        total = store.usage.report(whose, since=_ns(since), until=_ns(until)) if "tag" in by else ()
    if as_json:
        print_json([msgspec.to_builtins(line) for line in lines])
        return
    groups = [(line, [*line.group.values()]) for line in lines]
    groups += [(line, ["(all)", *[""] * (len(by) - 1)]) for line in total]
    look.table(
        [*by, "attempts", "failed", "in", "out", "cost"],
        [
            [
                *group,
                line.attempts,
                line.failed,
                line.usage.total_input_tokens,
                line.usage.total_output_tokens,
                show_money(line.amount_nanos, line.currency),
            ]
            for line, group in groups
        ],
        right=("in", "out", "cost"),
        empty="Nothing was used yet.",
    )


def _ns(at: datetime | None) -> int | None:
    return None if at is None else int(at.replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _names(settings: Settings) -> dict[str, str]:
    """The model of each deployment, as far as there is a configuration that knows it."""
    from passerelle.catalog import build

    return {deployment.id: deployment.model.id for deployment in build(settings).catalog.deployments}
