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
    """Tokens and cost by model, provider, project, key or day, out of the ledger.

    \b
    Example:
      passerelle usage --by day --by model --since 2026-11-01
    """
    with opened(settings_of(config, data)) as store:
        lines = store.usage.report(
            organisation_id(store, org),
            by=cast("tuple[Dimension, ...]", by),
            since=_ns(since),
            until=_ns(until),
        )
    if as_json:
        print_json([msgspec.to_builtins(line) for line in lines])
        return
    look.table(
        [*by, "attempts", "failed", "in", "out", "cost"],
        [
            [
                *line.group.values(),
                line.attempts,
                line.failed,
                line.usage.total_input_tokens,
                line.usage.total_output_tokens,
                show_money(line.amount_nanos, line.currency),
            ]
            for line in lines
        ],
        right=("in", "out", "cost"),
        empty="Nothing was used yet.",
    )


def _ns(at: datetime | None) -> int | None:
    return None if at is None else int(at.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
