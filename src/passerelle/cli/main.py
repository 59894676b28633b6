"""The `passerelle` command. Each command group is a file, imported when it is called.

Exit codes: 0 all is well; 1 it was done and found wanting, or failed; 2 it was called wrongly (`drill`, whose
2 means that it was not passed, says 1 then).
"""

import sys

import click

from passerelle import __version__
from passerelle.cli.lazy import LazyGroup

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


@click.command(
    cls=LazyGroup,
    package="passerelle.cli",
    known=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
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
