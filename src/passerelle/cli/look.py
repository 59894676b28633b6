"""How output looks: labelled lines, tables, colour. Colour is for a terminal only, and not under NO_COLOR."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

import click

_WIDEST = 100
_LABEL = 10


def width() -> int:
    """Columns for running text: the terminal's, 100 at most, and 100 without a terminal."""
    return max(40, min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns))


def coloured(stream: TextIO | None = None) -> bool:
    """Whether colour may be used on `stream` (standard output); see no-color.org."""
    return not os.environ.get("NO_COLOR") and (stream or sys.stdout).isatty()


def strong(text: str) -> str:
    """What the eye should find first."""
    return click.style(text, bold=True) if coloured() else text


def faint(text: str) -> str:
    """What may be skipped."""
    return click.style(text, dim=True) if coloured() else text


def say(text: str = "") -> None:
    """A line on standard output."""
    click.echo(text, color=coloured())


def labelled(label: str, text: str, *, indent: str = "") -> None:
    """`Label     text`, folded under itself where the terminal ends."""
    room = max(24, width() - _LABEL - len(indent))
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        head = f"{label:<{_LABEL}}" if number == 0 else " " * _LABEL
        say(f"{indent}{faint(head)}{line}".rstrip())


def table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = (), empty: str = ""
) -> None:
    """Columns as wide as what they hold. Columns named in `right`, and numbers, stand to the right.

    Without rows, `empty` is said on standard error: a script reads the same headings either way.
    """
    cells = [[("" if cell is None else cell) for cell in row] for row in rows]
    to_the_right = set(right)
    sides = [
        name in to_the_right
        or (bool(cells) and all(isinstance(row[i], int | float) or row[i] == "" for row in cells))
        for i, name in enumerate(headings)
    ]
    shown = [[str(cell) for cell in row] for row in cells]
    widths = [max(len(row[i]) for row in [list(headings), *shown]) for i in range(len(headings))]
    for place, line in enumerate([list(headings), *shown]):
        aligned = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, sides, strict=True)]
        text = "  ".join(aligned).rstrip()
        say(faint(text) if place == 0 else text)
    if not shown and empty:
        click.echo(empty, err=True)


def counted(number: int, what: str) -> str:
    """`1 mistake`, `2 mistakes`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def few(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    shown = ",".join(names[:most])
    return shown if len(names) <= most else f"{shown} +{len(names) - most}"


def tokens(count: int | None) -> str:
    """A size in tokens as people say it: `128k`, `1M`, `1.05M`."""
    if count is None:
        return ""
    if count >= 1_000_000:
        return f"{count / 1_000_000:.2f}".rstrip("0").rstrip(".") + "M"
    return f"{count / 1000:.0f}k" if count >= 1000 else str(count)


def seconds(nanoseconds: int) -> str:
    """A duration as people say it: `340 ms`, `2.1 s`."""
    return f"{nanoseconds / 1e6:.0f} ms" if nanoseconds < 1_000_000_000 else f"{nanoseconds / 1e9:.1f} s"
