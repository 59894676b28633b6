"""`passerelle router`: the router that learns. A file per command, imported when it is called."""

import click

from passerelle.cli.lazy import LazyGroup

_COMMANDS = {
    "eval": ("eval", "How good the router is on your own outcomes."),
    "freeze": ("freeze", "Learn nothing more for now."),
    "rollback": ("rollback", "Put an older version in force."),
    "show": ("show", "What it has learned of each model and task."),
    "train": ("train", "Learn from a file of outcomes, or anew from feedback."),
    "unfreeze": ("unfreeze", "Learn again, also of what came meanwhile."),
}


@click.group(cls=LazyGroup, package="passerelle.cli.router", known=_COMMANDS)
def command() -> None:
    """The router that learns from outcomes: how good it is, and what it has learned.

    \b
    Example:
      passerelle router show
      passerelle router eval outcomes.jsonl --report report/
    """
