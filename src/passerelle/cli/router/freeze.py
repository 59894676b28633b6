"""`passerelle router freeze`."""

from pathlib import Path

import click

from passerelle.cli import look
from passerelle.cli.common import (
    config_options,
    json_option,
    opened,
    org_option,
    organisation_id,
    print_json,
    settings_of,
    whoever,
)


@click.command()
@config_options
@org_option
@json_option
def command(config: Path | None, data: Path | None, org: str, as_json: bool) -> None:
    """Learn nothing more for now: outcomes are kept, and wait.

    What was learned so far goes on choosing. Every worker stops at the same outcome, within a second.

    \b
    Example:
      passerelle router freeze --org acme
    """
    with opened(settings_of(config, data)) as store:
        head = store.router_states.freeze(organisation_id(store, org), actor=whoever())
    if as_json:
        print_json(head)
    else:
        look.say(f"Frozen after outcome {head.frozen_at}; `passerelle router unfreeze` goes on.")
