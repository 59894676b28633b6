"""`passerelle drill --live`: a supplier really taken out, watched over, and put back.

The gateway keeps the drill with its end: this command only waits. Killed, it changes nothing; Ctrl-C and
SIGTERM put the supplier back at once.
"""

import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from passerelle.cli import look
from passerelle.cli.client import Client
from passerelle.cli.common import Failure, print_json
from passerelle.cli.drill import FOUND_WANTING, WrongCall

LONGEST_S = 4 * 3600
_LOOK_EVERY_S = 5.0
_ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_SETTLED_S = 1.0
"""Requests under way when it is over are booked within this."""


def remove(
    without: str,
    scope: str,
    for_s: int,
    reason: str,
    *,
    yes: bool,
    url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Take it out, wait, see it put back, and sum up. Ends with exit code 2 when something was refused."""
    kind, colon, scope_id = scope.partition(":")
    if kind not in ("organisation", "workspace", "project", "key") or not colon or not scope_id:
        raise WrongCall("--scope is `organisation:`, `workspace:`, `project:` or `key:` and an id.")
    if for_s > LONGEST_S:
        raise WrongCall("--for is 4h at most: what must be gone for good is taken out of the configuration.")
    if not yes:
        _confirm(without, scope, for_s)
    client = Client(url, api_key)
    asked = {"without": without, "scope": kind, "scope_id": scope_id, "for_s": for_s, "reason": reason}
    # Taken one by one where we wait: an interruption never falls between the taking out and its knowing.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        drill = client.post("/api/drill", asked, timeout_s=30.0).body
        _watch(client, drill)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    time.sleep(_SETTLED_S)
    found = client.get(f"/api/drill/{drill['id']}", timeout_s=600.0).body
    if as_json:
        print_json(found)
    else:
        summed_up(found)
    if found["outcome"]["refused"] or found["outcome"]["failed"]:
        raise SystemExit(FOUND_WANTING)


def _watch(client: Client, drill: dict[str, Any]) -> None:
    """Until it is over: by its own end, by someone else's, or by ours."""
    click.echo(
        f"`{drill['without']}` is taken out for {drill['scope']} {drill['scope_id']} until "
        f"{at(drill['until_ns'])}, by {drill['id']}. Ctrl-C puts it back now.",
        err=True,
    )
    while (left_s := drill["until_ns"] / 1e9 - time.time()) > 0:
        if signal.sigtimedwait(_ENDS, min(left_s, _LOOK_EVERY_S)) is not None:
            _put_back(client, drill)
            return
        if _was_ended(client, drill["id"]):
            click.echo("It was ended by someone else.", err=True)
            return


def _was_ended(client: Client, drill_id: str) -> bool:
    """Whether someone put it back early."""
    try:
        drills = client.get("/api/drill").body["drills"]
    except Failure:  # the gateway restarts: the drill goes on, and ends by itself
        return False
    return any(drill["id"] == drill_id and "ended_at_ns" in drill for drill in drills)


def _put_back(client: Client, drill: dict[str, Any]) -> None:
    try:
        client.delete(f"/api/drill/{drill['id']}")
    except Failure as failure:
        raise Failure(
            f"{failure.message}\nThe drill goes on until {at(drill['until_ns'])} and ends by itself then; "
            f"end it with `passerelle drill end {drill['id']}` once the gateway answers."
        ) from failure
    click.echo(f"\n`{drill['without']}` is back.", err=True)


def _confirm(without: str, scope: str, for_s: int) -> None:
    """The supplier's name, typed."""
    name = without.partition(",")[0].strip()
    if not sys.stdin.isatty():
        raise WrongCall("--live asks before it acts: answer on a terminal, or give --yes.")
    minutes = f"{for_s // 60} minutes" if for_s >= 60 else f"{for_s} seconds"
    click.echo(f"`{without}` will really be taken out for {scope}, for {minutes}.", err=True)
    if click.prompt(f"Type `{name}` to go on", err=True) != name:
        raise Failure("Nothing was taken out: another name was typed.")


def summed_up(drill: dict[str, Any]) -> None:
    """What a drill did."""
    outcome = drill["outcome"]
    ended = drill.get("ended_at_ns") or drill["until_ns"]
    state = "runs until" if drill["running"] else "over since"
    look.labelled("Drill", f"{drill['id']}: without {drill['without']}, {state} {at(ended)}")
    look.labelled("Elsewhere", f"{outcome['elsewhere']} requests answered by another place")
    for place, count in sorted(outcome["by_place"].items(), key=lambda item: -item[1]):
        look.labelled("", f"{count} by {place}")
    look.labelled("Refused", f"{outcome['refused']} requests: nobody else may serve them")
    for key, count in sorted(outcome["refused_keys"].items(), key=lambda item: -item[1]):
        look.labelled("", f"{count} of {key}")
    look.labelled("Failed", f"{outcome['failed']} requests at another place")
    look.labelled("Untouched", f"{outcome['untouched']} requests in its scope")


def listed(drills: Sequence[dict[str, Any]]) -> None:
    """Drills as a table."""
    look.table(
        ["drill", "without", "scope", "from", "until", "state"],
        [
            [
                d["id"],
                d["without"],
                f"{d['scope']}:{d['scope_id']}",
                at(d["started_at_ns"]),
                at(d.get("ended_at_ns") or d["until_ns"]),
                "running" if d["running"] else "over",
            ]
            for d in drills
        ],
        empty="There was no drill yet.",
    )


def at(ns: int) -> str:
    """A time as it is written down."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
