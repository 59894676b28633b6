"""`passerelle replay`."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from passerelle.cli.common import Failure, config_options, json_option, opened, organisation_id, print_json

if TYPE_CHECKING:
    from passerelle.core.plan import SmartMode
    from passerelle.gateway.replay.result import Result

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FILE = click.Path(dir_okay=False, path_type=Path)


class Moment(click.ParamType[int]):
    """A moment as people write it, in Unix nanoseconds: `7d` ago, a day, or a time, in UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Nanoseconds."""
        from passerelle.core.clock import SystemClock

        if isinstance(value, int):
            return value
        found = _SPAN.fullmatch(str(value))
        if found is not None:
            return SystemClock.unix_ns() - int(found[1]) * _SECONDS[found[2]] * 1_000_000_000
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"`{value}` is no moment; write a length of time that ends now, such as `7d`, a day such as "
                "`2026-11-01`, or a time such as `2026-11-01T12:00Z`.",
                param,
                ctx,
            )
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        nanos = int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
        if nanos < 0:
            self.fail(f"`{value}` is before 1970; write a later day.", param, ctx)
        return nanos


@click.command()
@config_options
@click.option("--since", type=Moment(), default="7d", show_default=True, help="From then on: `7d`, or a day.")
@click.option("--until", type=Moment(), help="Until before then. Default: now.")
@click.option("--policy", type=_FILE, help="[policy] and [router] of this file in place of yours.")
@click.option("--prices", type=_FILE, help="Prices of [[models]] and [[deployments]] of this file.")
@click.option("--catalog", type=_FILE, help="[[models]], [[deployments]]… of this file laid over yours.")
@click.option("--commitments", type=_FILE, help="[[commitments]] of this file in place of yours.")
@click.option("--without", metavar="PROVIDER[,REGION|CLOUD]", help="With this supplier taken out.")
@click.option(
    "--mode", type=click.Choice(["quality", "balanced", "cost", "fast"]), help="How `smart` chooses, for all."
)
@click.option("--models", metavar="A,B", default="", help="`smart` chooses among these models alone.")
@click.option("--org", "orgs", multiple=True, help="Only this organisation, by name or id. Default: all.")
@click.option(
    "--report",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write report.html, report.md, report.json and the plots into this folder.",
)
@json_option
def command(
    config: Path | None,
    data: Path | None,
    since: int,
    until: int | None,
    policy: Path | None,
    prices: Path | None,
    catalog: Path | None,
    commitments: Path | None,
    without: str | None,
    mode: "SmartMode | None",
    models: str,
    orgs: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
) -> None:
    """Decide recorded traffic again, under other rules: what would have changed, and at what price.

    Reads the receipts of the period, which hold no prompt, and calls nobody. Without an option that changes a
    rule, every decision is made again by the rules in force. The same receipts and rules give the same
    result, byte for byte. Run it where the gateway runs, with its environment: providers may come from there.

    The files are written as passerelle.toml is; PROVIDER is what `passerelle drill --without` takes.

    \b
    Example:
      passerelle replay --since 30d --mode cost
      passerelle replay --since 2026-11-01 --until 2026-11-08 --without openai --report replay
      passerelle replay --since 7d --policy stricter.toml --prices next-year.toml --json
    """
    from passerelle.cli.replay_rules import Given, generation_of_files, rules_of
    from passerelle.core.clock import SystemClock
    from passerelle.gateway.learning.learned import CaughtUp
    from passerelle.gateway.replay.run import replay
    from passerelle.policy.removal import parse
    from passerelle.store import StoreUnavailable

    try:
        meant = None if without is None else parse(without)
    except ValueError as error:
        raise click.UsageError(f"--without: {error}.") from error
    until_ns = SystemClock.unix_ns() if until is None else until
    if until_ns <= since:
        raise click.UsageError("--until is not after --since: there is no time between them.")
    wanted = tuple(word for word in (part.strip() for part in models.split(",")) if word)
    given = Given(policy=policy, prices=prices, catalog=catalog, commitments=commitments)
    settings, supposed = generation_of_files(config, data, given)
    try:
        with opened(settings) as store:
            org_ids = tuple(organisation_id(store, org) for org in orgs)
            org_ids = org_ids or tuple(sorted(one.id for one in store.identity.organisations()))
            rules = rules_of(settings, supposed, given, meant, mode, wanted, store.identity.revision)
            try:
                result = replay(
                    store, rules, org_ids, since_ns=since, until_ns=until_ns, judgement=CaughtUp(store)
                )
            except StoreUnavailable as error:
                raise Failure(str(error)) from error
    finally:
        asyncio.run(_closed(supposed))
    written = [] if folder is None else _write(folder, result)
    if as_json:
        print_json(result)
        return
    from passerelle.cli.replay_words import tell

    tell(result)
    from passerelle.cli import look

    for path in written:
        look.labelled("Written", str(path))


def _write(folder: Path, result: "Result") -> list[Path]:
    from passerelle.cli.replay_report import write

    try:
        return write(folder, result)
    except OSError as error:
        raise Failure(f"`{folder}` cannot be written: {error.strerror}.") from error


async def _closed(generation: Any) -> None:
    for provider in generation.providers.values():
        await provider.aclose()
