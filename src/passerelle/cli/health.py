"""`passerelle health`."""

from typing import Any

import click

from passerelle.cli import look
from passerelle.cli.client import Client
from passerelle.cli.common import json_option, print_json


@click.command()
@click.option("--url", help="The gateway  [env: PASSERELLE_BASE_URL; default: http://127.0.0.1:8080]")
@click.option("--key", help="A key that may read health  [env: PASSERELLE_API_KEY]")
@click.option("--all", "everything", is_flag=True, help="Also the deployments that were never called.")
@json_option
def command(url: str | None, key: str | None, everything: bool, as_json: bool) -> None:
    """How the deployments of a running gateway are doing, from real requests.

    `open`: its breaker is open and it is tried last. `half-open`: the next request tries it out. `waiting`:
    the provider asked to be left alone. Counted are all workers' requests since the start.

    \b
    Example:
      passerelle health
      passerelle health --all --json
    """
    listed = Client(url, key).get("/api/health").body["deployments"]
    shown = [seen for seen in listed if everything or seen["state"] != "unknown"]
    if as_json:
        print_json({"deployments": shown})
        return
    look.table(
        ["deployment", "state", "ok", "failed", "first", "whole", "tok/s", "why"],
        [
            [
                seen["deployment"],
                seen["state"],
                seen["successes"],
                seen["failures"],
                _seconds(seen["first_content_s"]),
                _seconds(seen["whole_answer_s"]),
                "" if seen["tokens_per_s"] is None else f"{seen['tokens_per_s']:.0f}",
                _why(seen),
            ]
            for seen in shown
        ],
        right=("ok", "failed", "first", "whole", "tok/s"),
        empty="No deployment was called yet; --all lists them.",
    )


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else look.seconds(int(seconds * 1e9))


def _why(seen: dict[str, Any]) -> str:
    said = [
        f"{breaker['circuit']} ({breaker['last_failure']}), tried out "
        + (f"in {breaker['tried_out_in_s']:.0f} s" if breaker["state"] == "open" else "next")
        for breaker in seen["circuits"]
    ]
    if seen["waits_for"] == "retry-after":
        said.append(f"it asked to wait {seen['waits_s']:.0f} s")
    elif seen["waits_for"]:
        said.append(f"no {seen['waits_for']} left for {seen['waits_s']:.0f} s")
    if seen["spared"]:
        said.append(f"{seen['spared']:.0%} of requests go elsewhere")
    if not said and seen["last_failure"] is not None:
        said.append(f"last failure {seen['last_failure']}, {seen['last_failure_s']:.0f} s ago")
    return "; ".join(said)
