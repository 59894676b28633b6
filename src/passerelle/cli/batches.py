"""`passerelle batches`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from passerelle.cli import look
from passerelle.cli.common import (
    Failure,
    config_options,
    json_option,
    opened,
    org_option,
    organisation_id,
    print_json,
    settings_of,
)
from passerelle.core.batch import Batch, Native

if TYPE_CHECKING:
    from passerelle.store import Store


@click.group()
def command() -> None:
    """List, show and cancel batches: many requests asked as one piece of work.

    \b
    Example:
      passerelle batches list
    """


@command.command(name="list")
@config_options
@org_option
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first."
)
@json_option
def list_command(config: Path | None, data: Path | None, org: str, limit: int, as_json: bool) -> None:
    """List the newest batches of every project.

    \b
    Example:
      passerelle batches list --limit 5
    """
    with opened(settings_of(config, data)) as store:
        found = store.batches.of_organisation(organisation_id(store, org), limit=limit)
    if as_json:
        print_json(found)
        return
    look.table(
        ["batch", "at", "state", "lines", "answered", "failed", "where"],
        [
            [
                batch.id,
                _at(batch.created_at_ns),
                batch.state,
                batch.tally.total,
                batch.tally.completed,
                batch.tally.failed,
                _where(batch.native),
            ]
            for batch in found
        ],
        right=("lines", "answered", "failed"),
        empty="No batches yet: a caller makes one with `/v1/batches` or `/v1/messages/batches`.",
    )


@command.command()
@config_options
@click.argument("batch_id")
@org_option
@json_option
def show(config: Path | None, data: Path | None, batch_id: str, org: str, as_json: bool) -> None:
    """Show a batch: how far it is, and why it is run where it is.

    \b
    Example:
      passerelle batches show batch_01K…
    """
    with opened(settings_of(config, data)) as store:
        batch = _find(store, org, batch_id)
    if as_json:
        print_json(batch)
        return
    look.labelled("Batch", f"{batch.id}, for `{batch.endpoint}`")
    look.labelled("State", batch.state)
    look.labelled("Made", f"{_at(batch.created_at_ns)} UTC by {batch.key_id} in {batch.project_id}")
    look.labelled("Window", f"until {_at(batch.expires_at_ns)} UTC")
    tally = batch.tally
    left = tally.total - tally.completed - tally.failed - tally.expired - tally.cancelled
    look.labelled(
        "Lines", f"{tally.total}: {tally.completed} answered, {tally.failed} failed, {left} to be asked"
    )
    look.labelled("Where", _where(batch.native))
    if batch.native is not None and batch.native.why:
        look.labelled("Why", batch.native.why)
    for problem in batch.problems:
        look.labelled("Wrong", f"line {problem.line or '?'}: {problem.message}")


@command.command()
@config_options
@click.argument("batch_id")
@org_option
@json_option
def cancel(config: Path | None, data: Path | None, batch_id: str, org: str, as_json: bool) -> None:
    """Cancel a batch: no further line is begun, here or at its provider.

    \b
    Example:
      passerelle batches cancel batch_01K…
    """
    with opened(settings_of(config, data)) as store:
        batch = _find(store, org, batch_id)
        now = store.batches.cancel(batch.org_id, batch.project_id, batch.surface, batch.id) or batch
    if now.state not in ("cancelling", "cancelled"):
        raise Failure(f"The batch `{now.id}` is `{now.state}` and cannot be cancelled any more.")
    if as_json:
        print_json(now)
        return
    click.echo(f"`{now.id}` is {now.state}: `passerelle batches show {now.id}` tells when it is over.")


def _find(store: "Store", org: str, batch_id: str) -> Batch:
    batch = store.batches.find(organisation_id(store, org), batch_id)
    if batch is None:
        raise Failure(f"There is no batch `{batch_id}`; `passerelle batches list` shows those there are.")
    return batch


def _where(native: Native | None) -> str:
    if native is None or native.step == "here":
        return "here"
    return f"at `{native.deployment}`, {native.step}"


def _at(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"
