"""`passerelle router rollback`."""

from pathlib import Path

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
    whoever,
)


@click.command()
@click.argument("version", type=click.IntRange(1))
@config_options
@org_option
@json_option
def command(config: Path | None, data: Path | None, version: int, org: str, as_json: bool) -> None:
    """Put an older VERSION in force, as a new version.

    Outcomes up to now are passed over; those from now on are learned on top of it, unless it is frozen.

    \b
    Example:
      passerelle router rollback 3 --org acme
    """
    with opened(settings_of(config, data)) as store:
        org_id = organisation_id(store, org)
        made = store.router_states.roll_back(org_id, version, actor=whoever())
        known = "" if made else ", ".join(str(s.version) for s in store.router_states.list(org_id))
    if made is None:
        raise Failure(f"There is no version {version}; there is {known or 'none yet'}.")
    if as_json:
        print_json(shown(made))
    else:
        look.say(f"Version {made.version} is in force: version {version} again ({made.learner}).")


def shown(state: object) -> dict[str, object]:
    """A version without its body."""
    import msgspec

    said: dict[str, object] = msgspec.to_builtins(state)
    said.pop("body", None)
    return said
