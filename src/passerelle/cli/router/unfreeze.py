"""`passerelle router unfreeze`."""

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
    """Learn again, also of the outcomes that came meanwhile.

    To go on without those, roll back first: that passes over every outcome up to now.

    \b
    Example:
      passerelle router unfreeze --org acme
    """
    with opened(settings_of(config, data)) as store:
        org_id = organisation_id(store, org)
        frozen_at = store.router_states.head(org_id).frozen_at
        head = store.router_states.unfreeze(org_id, actor=whoever())
    if as_json:
        print_json(head)
        return
    waiting = 0 if frozen_at is None else head.number - frozen_at
    look.say("It was not frozen." if frozen_at is None else f"Learning again; {waiting} outcomes waited.")
