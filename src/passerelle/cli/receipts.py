"""`passerelle receipts`."""

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from passerelle.cli.ask import told
from passerelle.cli.common import (
    Failure,
    config_options,
    json_option,
    opened,
    organisation_id,
    print_json,
    print_table,
    settings_for,
)
from passerelle.core.money import show as show_money
from passerelle.core.receipt import Receipt, SignedReceipt
from passerelle.gateway.words import shown
from passerelle.ledger import receipts as signed_receipts
from passerelle.store import Store, check_signature


@click.group()
def command() -> None:
    """Show, list and verify receipts: the signed record of every request.

    \b
    Example:
      passerelle receipts list
    """


_org_option = click.option("--org", default="default", show_default=True, help="Organisation, by name or id.")


@command.command()
@config_options
@click.argument("receipt_id")
@_org_option
@json_option
def show(config: Path | None, data: Path | None, receipt_id: str, org: str, as_json: bool) -> None:
    """Show a receipt: by its id, or by the request id its caller saw.

    \b
    Example:
      passerelle receipts show rcp_01K… --json > receipt.json
    """
    with opened(settings_for(config, data)) as store:
        signed = _find(store, org, receipt_id)
        keys = store.receipts.public_keys()
    seen = shown(signed, keys)
    if as_json:
        print_json(seen)
        return
    receipt = signed_receipts.read(signed)
    for line in told(msgspec.to_builtins(seen)):
        click.echo(line)
    _tell(receipt)
    click.echo(
        "Signed   yes, and unchanged" if seen["verified"] else "Signed   NO: the signature does not fit"
    )


@command.command(name="list")
@config_options
@_org_option
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
def list_command(config: Path | None, data: Path | None, org: str, limit: int, as_json: bool) -> None:
    """List the newest receipts.

    \b
    Example:
      passerelle receipts list --limit 5
    """
    with opened(settings_for(config, data)) as store:
        found = [
            signed_receipts.read(s) for s in store.receipts.list(organisation_id(store, org), limit=limit)
        ]
    if as_json:
        print_json(found)
        return
    print_table(
        ["receipt", "at", "outcome", "model", "in", "out", "cost"],
        [
            [
                r.id,
                datetime.fromtimestamp(r.at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S"),
                r.outcome,
                r.model,
                r.usage.total_input_tokens,
                r.usage.total_output_tokens,
                show_money(r.cost_nanos, r.currency),
            ]
            for r in found
        ],
    )


@command.command()
@config_options
@click.argument("what")
@click.option("--public-key", help="Hex of the Ed25519 key that must have signed; default: the file's own.")
@_org_option
@json_option
def verify(
    config: Path | None, data: Path | None, what: str, public_key: str | None, org: str, as_json: bool
) -> None:
    """Verify a receipt: a file written by `show --json`, offline, or an id of this installation.

    Exit code 1 when the receipt was changed, or is not signed by the key.

    \b
    Example:
      passerelle receipts verify receipt.json
    """
    path = Path(what)
    if path.is_file():
        signed, key = _read(path)
    else:
        with opened(settings_for(config, data)) as store:
            signed = _find(store, org, what)
            key = store.receipts.public_keys().get(signed.signature.key_id, b"")
    if public_key is not None:
        try:
            key = bytes.fromhex(public_key)
        except ValueError:
            raise click.BadParameter("must be hex", param_hint="--public-key") from None
    good = len(key) == 32 and signed_receipts.verify(signed, key, check_signature)
    if as_json:
        print_json({"verified": good, "signer": signed.signature.key_id, "public_key": key.hex()})
    elif good:
        click.echo(f"Good: signed by {signed.signature.key_id}, unchanged since.")
    else:
        click.echo("BAD: this receipt was changed, or was not signed by this key.", err=True)
    if not good:
        raise SystemExit(1)


def _find(store: Store, org: str, receipt_id: str) -> SignedReceipt:
    org_id = organisation_id(store, org)
    if receipt_id.startswith("rcp_"):
        found = store.receipts.get(org_id, receipt_id)
    else:
        found = store.receipts.by_request(org_id, receipt_id)
    if found is None:
        raise Failure(f"`{receipt_id}` is no receipt or request of `{org}`; see `passerelle receipts list`.")
    return found


def _read(path: Path) -> tuple[SignedReceipt, bytes]:
    """A receipt and the public key beside it, from a file of `show --json` or `GET /api/receipts/{id}`."""
    try:
        said = msgspec.json.decode(path.read_bytes())
        return msgspec.convert(said["signed"], SignedReceipt), bytes.fromhex(said["public_key"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise Failure(
            f"`{path}` is no receipt: write one with `passerelle receipts show ID --json`."
        ) from error


def _tell(receipt: Receipt) -> None:
    for attempt in receipt.attempts:
        end = "ok" if attempt.ok else f"{attempt.failure}: {attempt.detail}"
        click.echo(f"Attempt  {attempt.deployment}, {attempt.duration_ns / 1e6:.0f} ms, {end}")
    if receipt.plan is not None:
        for rejection in receipt.plan.rejections[:10]:
            click.echo(f"Excluded {rejection.deployment} by {rejection.rule}: {rejection.reason}")
    if receipt.dropped:
        click.echo(f"Dropped  {', '.join(receipt.dropped)}")
