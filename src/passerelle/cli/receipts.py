"""`passerelle receipts`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from passerelle.cli import look
from passerelle.cli.ask import MOST_SHOWN, tell
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
from passerelle.core.receipt import Receipt, SignedReceipt
from passerelle.ledger import receipts as signed_receipts

if TYPE_CHECKING:
    from passerelle.store import Store


@click.group()
def command() -> None:
    """Show, list and verify receipts: the signed record of every request.

    \b
    Example:
      passerelle receipts list
    """


@command.command()
@config_options
@click.argument("receipt_id", required=False)
@org_option
@json_option
def show(config: Path | None, data: Path | None, receipt_id: str | None, org: str, as_json: bool) -> None:
    """Show a receipt: by its id, or by the request id its caller saw. Without either, the newest.

    `--json` gives everything that offline verification needs.

    \b
    Example:
      passerelle receipts show
      passerelle receipts show rcp_01K… --json > receipt.json
    """
    from passerelle.gateway.words import shown

    with opened(settings_of(config, data)) as store:
        signed = _newest(store, org) if receipt_id is None else _find(store, org, receipt_id)
        keys = store.receipts.public_keys()
    seen = shown(signed, keys)
    if as_json:
        print_json(seen)
        return
    receipt = signed_receipts.read(signed)
    look.labelled("At", f"{_at(receipt)} UTC, request {receipt.request_id}")
    look.labelled("Outcome", receipt.outcome if receipt.problem is None else _outcome(receipt))
    tell(msgspec.to_builtins(seen))
    _tell_rest(receipt)
    signer = signed.signature.key_id
    told = f"by {signer}, and unchanged since" if seen["verified"] else "NO: the signature does not fit"
    look.labelled("Signed", told)


@command.command(name="list")
@config_options
@org_option
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first."
)
@json_option
def list_command(config: Path | None, data: Path | None, org: str, limit: int, as_json: bool) -> None:
    """List the newest receipts.

    \b
    Example:
      passerelle receipts list --limit 5
    """
    from passerelle.core.money import show as show_money

    with opened(settings_of(config, data)) as store:
        found = [
            signed_receipts.read(s) for s in store.receipts.list(organisation_id(store, org), limit=limit)
        ]
    if as_json:
        print_json(found)
        return
    look.table(
        ["receipt", "at", "outcome", "model", "in", "out", "cost"],
        [
            [
                r.id,
                _at(r),
                r.outcome,
                r.model or (r.plan.requested if r.plan else ""),
                r.usage.total_input_tokens,
                r.usage.total_output_tokens,
                show_money(r.cost_nanos, r.currency),
            ]
            for r in found
        ],
        right=("in", "out", "cost"),
        empty="No receipts yet: every request leaves one.",
    )


@command.command()
@config_options
@click.argument("what")
@click.option(
    "--public-key", help="The Ed25519 key that must have signed: a PEM file, or hex. Default: the file's own."
)
@org_option
@json_option
def verify(
    config: Path | None, data: Path | None, what: str, public_key: str | None, org: str, as_json: bool
) -> None:
    """Verify a receipt: a file written by `show --json`, offline, or an id of this installation.

    A file brings its key along, which proves that it was not changed, not who signed it: give the key you
    trust with --public-key. Exit code 1 when the receipt was changed, or is not signed by the key.

    \b
    Example:
      passerelle receipts verify receipt.json
      passerelle receipts verify receipt.json --public-key keys/receipts.pub.pem
    """
    from passerelle.store import check_signature

    path = Path(what)
    differs: str | None = None
    if path.is_file():
        signed, key, differs = _read(path)
    else:
        with opened(settings_of(config, data)) as store:
            signed = _find(store, org, what)
            key = store.receipts.public_keys().get(signed.signature.key_id, b"")
    if public_key is not None:
        key = public_key_of(public_key)
    proven = len(key) == 32 and signed_receipts.verify(signed, key, check_signature)
    good = proven and differs is None
    if as_json:
        told = {"verified": good, "signer": signed.signature.key_id, "public_key": key.hex()}
        print_json(told if differs is None else {**told, "differs": differs})
    elif good:
        own = path.is_file() and public_key is None
        click.echo(
            f"Good: signed by {signed.signature.key_id}{' (the key in the file)' if own else ''}, "
            "unchanged since."
        )
    elif proven:
        click.echo(
            f"BAD: `{differs}` was changed: it does not say what was signed. `signed.body` is unchanged; "
            "believe that alone.",
            err=True,
        )
    else:
        click.echo("BAD: this receipt was changed, or was not signed by this key.", err=True)
    if not good:
        raise SystemExit(1)


def _find(store: "Store", org: str, receipt_id: str) -> SignedReceipt:
    org_id = organisation_id(store, org)
    if receipt_id.startswith("rcp_"):
        found = store.receipts.get(org_id, receipt_id)
    else:
        found = store.receipts.by_request(org_id, receipt_id)
    if found is None:
        raise Failure(
            f"`{receipt_id}` is no receipt, request or file of `{org}`; see `passerelle receipts list`."
        )
    return found


def _newest(store: "Store", org: str) -> SignedReceipt:
    found = store.receipts.list(organisation_id(store, org), limit=1)
    if not found:
        raise Failure("There is no receipt yet: every request leaves one.")
    return found[0]


def _read(path: Path) -> tuple[SignedReceipt, bytes, str | None]:
    """A receipt and the public key beside it, from a file of `show --json` or `GET /api/receipts/{id}`; and
    the first field of its readable part that does not say what was signed.
    """
    from passerelle.gateway.words import altered

    try:
        said = msgspec.json.decode(path.read_bytes())
        signed = msgspec.convert(said["signed"], SignedReceipt)
        return signed, bytes.fromhex(said["public_key"]), altered(said, signed)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise Failure(
            f"`{path}` is no receipt: write one with `passerelle receipts show ID --json`."
        ) from error


def public_key_of(said: str) -> bytes:
    """Raw bytes of a key given as hex, or as the path of a PEM file."""
    path = Path(said)
    if not path.is_file():
        try:
            return bytes.fromhex(said)
        except ValueError:
            raise click.BadParameter(
                f"`{said}` is neither a file nor hex; give `keys/receipts.pub.pem` of the data directory.",
                param_hint="--public-key",
            ) from None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise click.BadParameter(f"`{path}` holds no Ed25519 public key.", param_hint="--public-key")
    return key.public_bytes_raw()


def _at(receipt: Receipt) -> str:
    return datetime.fromtimestamp(receipt.at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _outcome(receipt: Receipt) -> str:
    return f"{receipt.outcome}: {receipt.problem}"


def _tell_rest(receipt: Receipt) -> None:
    """What happened on the way: attempts, exclusions, losses."""
    for attempt in receipt.attempts:
        end = "ok" if attempt.ok else f"{attempt.failure}: {attempt.detail}"
        look.labelled("Attempt", f"{attempt.deployment}, {look.seconds(attempt.duration_ns)}, {end}")
    rejections = () if receipt.plan is None else receipt.plan.rejections
    for rejection in rejections[:MOST_SHOWN]:
        look.labelled("Excluded", f"{rejection.deployment}: {rejection.rule}, {rejection.reason}")
    if len(rejections) > MOST_SHOWN:
        look.labelled("", f"and {len(rejections) - MOST_SHOWN} more; `--json` has them all")
    if receipt.dropped:
        look.labelled("Dropped", ", ".join(receipt.dropped))
    if receipt.tags:
        look.labelled("Tags", ", ".join(receipt.tags))
