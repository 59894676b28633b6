"""`passerelle router`: the router that learns. A file per command, imported when it is called."""

import importlib

import click

_COMMANDS = {
    "eval": ("eval", "How good the router is on your own outcomes."),
}


class _Lazy(click.Group):
    """Finds commands by name: `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        known = _COMMANDS.get(cmd_name)
        if known is None:
            return None
        found = importlib.import_module(f"passerelle.cli.router.{known[0]}").command
        if not isinstance(found, click.Command):
            raise TypeError(f"`passerelle.cli.router.{known[0]}` has no command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in sorted(_COMMANDS.items())])


@click.group(cls=_Lazy)
def command() -> None:
    """The router that learns from outcomes: how good it is, and what it has learned.

    \b
    Example:
      passerelle router eval outcomes.jsonl --report report/
    """
