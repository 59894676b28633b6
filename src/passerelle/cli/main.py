"""The `passerelle` command. Each command group is a file, imported when it is called.

Exit codes: 0 all is well; 1 it was done and found wanting, or failed; 2 it was called wrongly (`drill`, whose
2 means that it was not passed, says 1 then).
"""

import importlib
import sys

import click

from passerelle import __version__

_COMMANDS = {
    "ask": ("ask", "Ask one question; see the plan, tokens and cost."),
    "batches": ("batches", "List, show and cancel batches."),
    "check": ("check", "Name every mistake in the configuration."),
    "drill": ("drill", "What would still be served without a supplier."),
    "health": ("health", "How deployments are doing."),
    "import": ("imports", "Turn another gateway's configuration into ours."),
    "keys": ("keys", "Create, list and revoke API keys."),
    "local": ("local", "Install the local demo model, and see its state."),
    "models": ("models", "List models with price, context, region and health."),
    "quickstart": ("quickstart", "From nothing to one real answered request."),
    "receipts": ("receipts", "Show, list and verify receipts."),
    "replay": ("replay", "Decide recorded traffic again, under other rules."),
    "router": ("router", "What the router has learned, and how good it is."),
    "serve": ("serve", "Start the gateway."),
    "usage": ("usage", "Tokens and cost by model, provider, key, day…"),
}


class _Lazy(click.Group):
    """Finds commands by name, so that `passerelle keys` does not import the server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        known = _COMMANDS.get(cmd_name)
        if known is None:
            return None
        module = importlib.import_module(f"passerelle.cli.{known[0]}")
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(f"`passerelle.cli.{known[0]}` has no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in sorted(_COMMANDS.items())])


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="passerelle")
def passerelle() -> None:
    """Passerelle: one governed address for every model you use.

    \b
    Example:
      passerelle quickstart
      passerelle keys create --name laptop
    """


def main() -> None:
    """The entry point of the command."""
    passerelle.main(prog_name="passerelle", standalone_mode=True)


if __name__ == "__main__":
    sys.exit(passerelle.main())
