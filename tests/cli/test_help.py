"""Every command explains itself."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from tests.cli.calling import call

from passerelle import __version__
from passerelle.cli.main import passerelle


def _walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _walk(child, (*path, name))


EVERY = dict(_walk(passerelle, ()))
LEAVES = [path for path, command in EVERY.items() if not isinstance(command, click.Group)]


def test_the_commands_are_these() -> None:
    assert [" ".join(path) for path in LEAVES] == [
        "ask",
        "batches cancel",
        "batches list",
        "batches show",
        "check",
        "drill end",
        "drill list",
        "drill verify",
        "health",
        "import litellm",
        "keys create",
        "keys list",
        "keys revoke",
        "local install",
        "local status",
        "models",
        "quickstart",
        "receipts list",
        "receipts show",
        "receipts verify",
        "replay",
        "router eval",
        "router freeze",
        "router rollback",
        "router show",
        "router train",
        "router unfreeze",
        "serve",
        "usage",
    ]


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_help_has_an_example_of_the_command_and_says_what_each_option_is(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(passerelle, [*path, "--help"], terminal_width=100)
    assert done.exit_code == 0, done.output
    _, example, shown = done.output.partition("Example:\n")
    assert example, "no example"
    assert f"passerelle {' '.join(path)}".strip() in shown.partition("Options:")[0]
    for parameter in EVERY[path].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"`{parameter.opts[0]}` has no help"
            assert parameter.help.rstrip("] ")[-1:] not in ("", ","), parameter.opts


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_an_unknown_option_is_refused_with_2(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(passerelle, [*path, "--no-such-option"])
    assert done.exit_code == 2
    assert "--no-such-option" in done.output


@pytest.mark.parametrize("path", [p for p in LEAVES if p not in {("serve",), ("quickstart",)}], ids=" ".join)
def test_what_gives_an_answer_can_give_it_as_json(path: tuple[str, ...]) -> None:
    assert any("--json" in parameter.opts for parameter in EVERY[path].params)


def test_the_list_of_commands_fits_a_terminal_of_80_columns() -> None:
    lines = CliRunner().invoke(passerelle, ["--help"], terminal_width=80).output.splitlines()
    commands = lines[lines.index("Commands:") + 1 :]
    assert [line.split()[0] for line in commands] == sorted({path[0] for path in LEAVES})
    assert all(len(line) <= 80 for line in lines)


def test_the_command_itself_starts_without_a_terminal_and_tells_its_version() -> None:
    said = call("--version")
    assert (said.code, said.out) == (0, f"passerelle, version {__version__}\n")


def test_an_unknown_command_is_refused_with_2() -> None:
    said = call("recipts")
    assert said.code == 2
    assert "recipts" in said.err
    assert said.out == ""
