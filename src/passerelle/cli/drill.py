"""`passerelle drill`."""

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from passerelle.cli import look
from passerelle.cli.common import (
    Failure,
    config_options,
    json_option,
    opened,
    organisation_id,
    print_json,
    settings_for,
)

if TYPE_CHECKING:
    from passerelle.config import Settings
    from passerelle.gateway.drill.report import Report
    from passerelle.gateway.generation import Generation
    from passerelle.store import Store

FOUND_WANTING = 2
"""Exit code: something would not be served, or a ceiling is exceeded."""
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
FORMATS = {".md": "Markdown", ".json": "JSON", ".html": "HTML"}
GATEWAY = "The gateway  [env: PASSERELLE_BASE_URL; default: http://127.0.0.1:8080]"


class Span(click.ParamType[int]):
    """A length of time as people write it: `15m`, `7d`; in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds."""
        if isinstance(value, int):
            return value
        found = _SPAN.fullmatch(str(value))
        if found is None or not int(found[1]):
            self.fail(f"`{value}` is no length of time; write one such as `15m`, `4h` or `7d`.", param, ctx)
        return int(found[1]) * _SECONDS[found[2]]


class WrongCall(click.UsageError):
    """Exit code 1 here: 2 says that the drill was not passed."""

    exit_code = 1


class _Drill(click.Group):
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            raise WrongCall(error.format_message(), error.ctx) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise WrongCall(error.format_message(), error.ctx) from error


@click.group(cls=_Drill, invoke_without_command=True, no_args_is_help=True)
@config_options
@click.option("--without", metavar="PROVIDER[,REGION|CLOUD]", help="What is taken out; see below.")
@click.option("--since", type=Span(), default="7d", show_default=True, help="Judge the requests since then.")
@click.option(
    "--golden", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Judge these requests."
)
@click.option("--key", "keys", multiple=True, help="Ask --golden with this key's id; may be given again.")
@click.option("--org", "orgs", multiple=True, help="Only this organisation, by name or id. Default: all.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the signed report: .html, .md or .json; may be given again.",
)
@json_option
@click.option("--live", is_flag=True, help="Really take it out, for --for and --scope.")
@click.option(
    "--for", "for_s", type=Span(), default="15m", show_default=True, help="With --live: how long, at most 4h."
)
@click.option("--scope", metavar="KIND:ID", help="With --live: organisation, workspace, project or key.")
@click.option("--reason", default="", help="With --live: why, for the audit.")
@click.option("--yes", is_flag=True, help="With --live: do not ask.")
@click.option("--url", help=f"With --live: {GATEWAY}")
@click.option("--api-key", help="With --live: an operator's key  [env: PASSERELLE_API_KEY]")
@click.pass_context
def command(
    ctx: click.Context,
    config: Path | None,
    data: Path | None,
    without: str | None,
    since: int,
    golden: Path | None,
    keys: tuple[str, ...],
    orgs: tuple[str, ...],
    reports: tuple[Path, ...],
    as_json: bool,
    live: bool,
    for_s: int,
    scope: str | None,
    reason: str,
    yes: bool,
    url: str | None,
    api_key: str | None,
) -> None:
    """What would still be served without a supplier, by whom, at what cost, and who has nobody left.

    Judges recorded requests, or a golden set, by the rules and prices in force, with and without the
    supplier, and calls nobody. --live really takes it out, for a while and for a part of one organisation.

    PROVIDER is a provider entry, a well-known provider (`openai`), a cloud (`aws`, `azure`,
    `google-cloud`) or `maker:NAME`; REGION narrows it (`bedrock,eu-central-1`). Run it where the gateway
    runs, with its environment: providers may come from there.

    Exit codes: 0 everything would be served; 1 it could not be done; 2 something would not be served, or a
    ceiling of `[concentration]` is exceeded.

    \b
    Example:
      passerelle drill --without openai --since 30d --report drill.html --report drill.json
      passerelle drill --without bedrock,eu-central-1 --golden requests.jsonl
      passerelle drill --without openai --live --for 15m --scope project:prj_01K…
      passerelle drill verify drill.html
    """
    if ctx.invoked_subcommand is not None:
        return
    if without is None:
        raise WrongCall("Missing option `--without`: say what is taken out, such as `--without openai`.")
    for path in reports:
        if path.suffix.lower() not in FORMATS:
            raise WrongCall(
                f"`{path}` ends in none of {', '.join(FORMATS)}: the ending says which form to write."
            )
    if live:
        from passerelle.cli.drill_live import remove

        if golden is not None or reports or keys or orgs:
            raise WrongCall(
                "--live takes no --golden, --key, --org or --report: its summary is of real requests."
            )
        if scope is None:
            raise WrongCall("--live needs a --scope, such as `--scope project:prj_01K…`.")
        remove(without, scope, for_s, reason, yes=yes, url=url, api_key=api_key, as_json=as_json)
        return
    if keys and golden is None:
        raise WrongCall("--key says who asks a golden set: give --golden too.")
    report = _on_paper(config, data, without, since, golden, keys, orgs, reports)
    if as_json:
        print_json(report)
    else:
        tell(report)
        for path in reports:
            look.labelled("Written", str(path))
    if not report.passed:
        raise SystemExit(FOUND_WANTING)


@command.command()
@config_options
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option(
    "--public-key", help="The Ed25519 key that must have signed: a PEM file, or hex. Default: the file's own."
)
@json_option
def verify(config: Path | None, data: Path | None, file: Path, public_key: str | None, as_json: bool) -> None:
    """Verify a report, in any of its forms, offline.

    The file brings its key along, which proves that nothing was changed, not who signed it: give the key you
    trust with --public-key. Exit code 1 when it was changed, or is not signed by the key.

    \b
    Example:
      passerelle drill verify drill.html --public-key keys/receipts.pub.pem
    """
    from passerelle.cli.receipts import public_key_of
    from passerelle.gateway.drill.proof import examine
    from passerelle.store import check_signature

    trusted = None if public_key is None else public_key_of(public_key)
    try:
        proof = examine(file.read_bytes(), check_signature, trusted)
    except ValueError as error:
        raise Failure(f"`{file}`: {error}.") from error
    good = proof.unchanged and proof.differs is None
    if as_json:
        said = {"verified": good, "signer": proof.signer, "public_key": proof.public_key.hex()}
        print_json(said if proof.differs is None else {**said, "differs": proof.differs})
    elif good:
        own = "" if public_key else " (the key in the file)"
        click.echo(f"Good: signed by {proof.signer}{own}, unchanged since.")
    elif proof.unchanged:
        click.echo(
            f"BAD: `{proof.differs}` was changed: it does not say what was signed. `signed.body` is "
            "unchanged; believe that alone.",
            err=True,
        )
    else:
        click.echo("BAD: this report was changed, or was not signed by this key.", err=True)
    if not good:
        raise SystemExit(1)


@command.command(name="list")
@click.option("--url", help=GATEWAY)
@click.option("--api-key", help="An operator's key  [env: PASSERELLE_API_KEY]")
@json_option
def list_command(url: str | None, api_key: str | None, as_json: bool) -> None:
    """List the drills in earnest, the newest first.

    \b
    Example:
      passerelle drill list
    """
    from passerelle.cli.client import Client
    from passerelle.cli.drill_live import listed

    drills = Client(url, api_key).get("/api/drill").body["drills"]
    if as_json:
        print_json(drills)
        return
    listed(drills)


@command.command()
@click.argument("drill_id")
@click.option("--url", help=GATEWAY)
@click.option("--api-key", help="An operator's key  [env: PASSERELLE_API_KEY]")
@json_option
def end(drill_id: str, url: str | None, api_key: str | None, as_json: bool) -> None:
    """Put back at once what a drill in earnest took out, and sum it up.

    \b
    Example:
      passerelle drill end drl_01K…
    """
    from passerelle.cli.client import Client
    from passerelle.cli.drill_live import summed_up

    client = Client(url, api_key)
    client.delete(f"/api/drill/{drill_id}")
    found = client.get(f"/api/drill/{drill_id}", timeout_s=600.0).body
    if as_json:
        print_json(found)
        return
    summed_up(found)


def tell(report: "Report") -> None:
    """The report in a few lines."""
    from passerelle.gateway.drill.pages import money, verdict

    totals = report.totals
    look.say(look.strong(verdict(report)))
    look.labelled("Moved", f"{totals.moved} requests to another place, {totals.unaffected} unaffected")
    look.labelled("Cost", f"{money(totals.cost_before)} today, {money(totals.cost_after)} without")
    if totals.quality_before is not None and totals.quality_after is not None:
        look.labelled(
            "Quality", f"{totals.quality_before * 100:.1f} today, {totals.quality_after * 100:.1f} without"
        )
    for move in report.moves[:5]:
        look.labelled("Move", f"{move.requests} from {move.before} to {move.after}")
    for loss in report.losses[:5]:
        rules = sorted({rejection.rule for rejection in loss.rejections})
        who = f"{loss.organisation} / {loss.project} / {loss.key}"
        look.labelled("Nobody", f"{loss.requests} of {who} for {loss.model}: {', '.join(rules)}")
    for finding in report.findings:
        look.labelled("Finding", finding.text)


def _on_paper(
    config: Path | None,
    data: Path | None,
    without: str,
    since: int,
    golden: Path | None,
    keys: tuple[str, ...],
    orgs: tuple[str, ...],
    reports: tuple[Path, ...],
) -> "Report":
    from passerelle.core.clock import SystemClock
    from passerelle.gateway.drill.run import Drill, NothingThere
    from passerelle.policy.removal import parse
    from passerelle.server.golden import BadLine
    from passerelle.store import StoreUnavailable

    settings = settings_for(config, data)
    try:
        meant = parse(without)
    except ValueError as error:
        raise WrongCall(f"--without: {error}.") from error
    concentration = settings.concentration
    ceilings = {
        "provider": concentration.max_share_per_provider,
        "jurisdiction": concentration.max_share_per_jurisdiction,
    }
    now_ns = SystemClock.unix_ns()
    since_ns = now_ns - since * 1_000_000_000
    with opened(settings) as store:
        org_ids = tuple(organisation_id(store, org) for org in orgs)
        org_ids = org_ids or tuple(one.id for one in store.identity.organisations())
        generation = _generation(settings, store)
        try:
            drill = Drill(store, generation, meant, ceilings)
            if golden is None:
                report = drill.over_receipts(org_ids, since_ns=since_ns, until_ns=now_ns, now_ns=now_ns)
            else:
                report = _over_golden(drill, store, golden, keys, org_ids, since_ns, now_ns)
        except (NothingThere, BadLine, StoreUnavailable) as error:
            raise Failure(str(error)) from error
        finally:
            asyncio.run(_closed(generation))
        for path in reports:
            _write(path, report, store)
    return report


def _over_golden(
    drill: Any,
    store: "Store",
    golden: Path,
    keys: tuple[str, ...],
    org_ids: tuple[str, ...],
    since_ns: int,
    now_ns: int,
) -> "Report":
    from hashlib import sha256

    from passerelle.gateway.drill.run import active
    from passerelle.server.golden import cases, parse

    text = golden.read_bytes()
    principals = active(store, org_ids)
    if not principals:
        raise Failure("No active key may call a model here: make one with `passerelle keys create`.")
    found = list(parse(text, principals[0]))
    if keys:
        principals = [principal for principal in principals if principal.key_id in keys]
        missing = sorted(set(keys) - {principal.key_id for principal in principals})
        if missing:
            raise Failure(f"`{missing[0]}` is no active key here; see `passerelle keys list`.")
    report: Report = drill.over_golden(
        cases(found, principals), org_ids=org_ids, lines=len(found), digest=sha256(text).hexdigest(),
        since_ns=since_ns, now_ns=now_ns,
    )  # fmt: skip
    return report


def _generation(settings: "Settings", store: "Store") -> "Generation":
    """The generation the gateway would run: by the same builder."""
    from passerelle.app import build_generation
    from passerelle.cli.common import refused
    from passerelle.config import ConfigError

    try:
        return build_generation(settings, None, store)
    except ConfigError as error:
        raise refused(error) from error


async def _closed(generation: "Generation") -> None:
    for provider in generation.providers.values():
        await provider.aclose()


def _write(path: Path, report: "Report", store: "Store") -> None:
    from passerelle.gateway.drill.proof import signed_json, signed_page

    match path.suffix.lower():
        case ".json":
            content = signed_json(report, store.sign, store.public_key)
        case ".html":
            from passerelle.gateway.drill.html import html

            content = signed_page(html(report), store.sign, store.public_key)
        case _:
            from passerelle.gateway.drill.markdown import markdown

            content = signed_page(markdown(report), store.sign, store.public_key)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Failure(f"`{path}` cannot be written: {error.strerror}.") from error
