"""Every `passerelle …` a page tells the reader to type is a command there is, with options it has."""

import re
import shlex
from pathlib import Path

import click
import pytest
from tests.docs.pages import DOCS, ROOT, code_blocks

from passerelle.cli.main import passerelle

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PLACEHOLDER = re.compile(r"[A-Z]{2,}$|…|\.\.\.")


def _typed(text: str) -> set[str]:
    """Command lines in console blocks, and inline ones."""
    lines = [
        line[2:]
        for block in code_blocks(text, "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [" ".join(found.split()) for found in re.findall(r"`(passerelle [^`]+)`", prose)]
    found = {line.partition("#")[0].strip() for line in lines if line.startswith("passerelle ")}
    return found - {"passerelle receipts v1"}  # the first line of what is signed


def _check(line: str) -> None:
    words = shlex.split(line.split(" > ")[0].split(" | ")[0])[1:]
    command: click.Command = passerelle
    context = click.Context(passerelle, info_name="passerelle")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        child = command.get_command(context, words[0])
        assert child is not None, f"`{line}`: there is no `{words[0]}`"
        command, context = child, click.Context(child, context, info_name=words[0])
        words = words[1:]
    for word in words:
        if word.startswith("-"):
            known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
            assert word.partition("=")[0] in known | {"--help", "-h"}, f"`{line}`: no option `{word}`"
    if not isinstance(command, click.Group) and "--help" not in words and not PLACEHOLDER.search(line):
        with command.make_context(command.name, [*words], parent=context.parent, resilient_parsing=True):
            pass


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_a_page_exist(path: Path) -> None:
    for line in _typed(path.read_text("utf-8")):
        _check(line)


def test_the_readme_shows_the_commands_a_newcomer_needs() -> None:
    typed = " ".join(_typed((ROOT / "README.md").read_text("utf-8")))
    for needed in ("receipts show", "receipts verify", "ask", "usage", "--plan", "--data-class", "--mode"):
        assert needed in typed
