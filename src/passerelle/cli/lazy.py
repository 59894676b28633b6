"""A command group that imports a command when it is called, so that `passerelle keys` imports no server."""

import importlib
from collections.abc import Mapping

import click


class LazyGroup(click.Group):
    """Knows its commands by name and a line each; `--help` imports none of them."""

    def __init__(self, *, package: str, known: Mapping[str, tuple[str, str]], **settings: object) -> None:
        """`known` maps a command's name to its module within `package` and what it is for."""
        super().__init__(**settings)  # type: ignore[arg-type]  # click's own, passed on as they are
        self._package = package
        self._known = known

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(self._known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now. Raises `TypeError` where its module has no `command`."""
        known = self._known.get(cmd_name)
        if known is None:
            return None
        name = f"{self._package}.{known[0]}"
        command = importlib.import_module(name).command
        if not isinstance(command, click.Command):
            raise TypeError(f"`{name}` has no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in sorted(self._known.items())])
