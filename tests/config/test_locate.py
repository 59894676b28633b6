"""Positions: every value of a TOML file is found on the line where its author wrote it."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.config.locate import Path, locate

EXAMPLE = """\
# a comment with [brackets] and "quotes"
title = "x"

[server]
host = '127.0.0.1' # not = a key
tags = [
  "a", # ] in a comment
  'b',
]
text = \"\"\"
[not.a.table]
key = 1
\"\"\"
when = 1979-05-27 07:32:00

[providers."name with space"]
"quoted \\u0041" = { a = 1, b.c = [1, { d = 2 }] }

[[deployments]]
model = "m1"
limits.rpm = 3

[[deployments]]
model = "m2"
  [deployments.attributes]
  regions = ["eu"]
  [[deployments.attributes.evidence]]
  url = "u"
  [[deployments.attributes.evidence]]
  url = "v"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("server",), 4),
        (("server", "host"), 5),
        (("server", "tags"), 6),
        (("server", "tags", 1), 8),
        (("server", "text"), 10),
        (("server", "when"), 14),
        (("providers", "name with space"), 16),
        (("providers", "name with space", "quoted A", "a"), 17),
        (("providers", "name with space", "quoted A", "b", "c", 1, "d"), 17),
        (("deployments", 0), 19),
        (("deployments", 0, "limits", "rpm"), 21),
        (("deployments", 1, "model"), 24),
        (("deployments", 1, "attributes", "regions", 0), 26),
        (("deployments", 1, "attributes", "evidence", 1, "url"), 30),
    ],
)
def test_a_value_is_found_on_its_line(path: Path, line: int) -> None:
    assert locate(EXAMPLE)[path] == line


def test_windows_line_ends_count_once() -> None:
    assert locate(EXAMPLE.replace("\n", "\r\n")) == locate(EXAMPLE)


def leaves(value: object, path: Path = ()) -> set[Path]:
    if isinstance(value, dict) and value:
        return {leaf for key, item in value.items() for leaf in leaves(item, (*path, key))}
    if isinstance(value, list) and value:
        return {leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))}
    return {path}


KEYS = st.text(st.sampled_from("ab.[]\"'#= \\\té"), min_size=1, max_size=6)
SCALARS = (
    st.integers(-9, 9)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def quoted(text: str, style: int) -> str:
    if style == 1 and "'" not in text and text.isprintable():
        return f"'{text}'"
    escaped = "".join(
        f"\\U{ord(c):08x}" if not c.isprintable() else "\\" + c if c in '"\\' else c for c in text
    )
    return f'"""\n{escaped}"""' if style == 2 else f'"{escaped}"'


class Writer:
    """Writes TOML in varied styles and notes the line of every leaf: the oracle."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.text = ""
        self.lines: dict[Path, int] = {}

    def choose(self, most: int) -> int:
        return self.data.draw(st.integers(0, most))

    def note(self, path: Path) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def value(self, value: object, path: Path, *, inline: bool = False) -> None:
        if isinstance(value, dict):
            self.text += "{"
            for index, (key, item) in enumerate(value.items()):
                self.text += ", " if index else " "
                self.note((*path, key))
                self.text += f"{quoted(key, 1)} = "
                self.value(item, (*path, key), inline=True)
            self.text += " }"
        elif isinstance(value, list):
            self.text += "["
            for index, item in enumerate(value):
                if not inline:
                    self.text += ("", "\n", "\n# ] }\n ")[self.choose(2)]
                self.note((*path, index))
                self.value(item, (*path, index), inline=inline)
                self.text += ", "
            self.text += "]"
        elif isinstance(value, str):
            self.text += quoted(value, 0 if inline else self.choose(2))
        else:
            self.text += repr(value).lower() if not isinstance(value, float) else f"{value!r}"

    def table(self, table: dict[str, object], path: Path) -> None:
        later: list[str] = []
        for key, item in table.items():
            rows = isinstance(item, list) and item and all(isinstance(row, dict) for row in item)
            if (isinstance(item, dict) or rows) and self.choose(1):
                later.append(key)
                continue
            self.text += ("", "# key = 1\n", "\n")[self.choose(2)]
            self.note((*path, key))
            self.text += f"{quoted(key, 1)} = "
            self.value(item, (*path, key))
            self.text += ("\n", " # [x]\n")[self.choose(1)]
        for key in later:
            item = table[key]
            name = ".".join(quoted(p, 0) for p in (*path, key) if isinstance(p, str))
            for index, row in enumerate(item if isinstance(item, list) else [item]):
                here = (*path, key, index) if isinstance(item, list) else (*path, key)
                self.note(here)
                self.text += f"[[{name}]]\n" if isinstance(item, list) else f"[ {name} ]\n"
                assert isinstance(row, dict)
                self.table(row, here)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.data())
def test_every_value_that_tomllib_finds_is_located_on_its_line(
    table: dict[str, object], data: st.DataObject
) -> None:
    writer = Writer(data)
    writer.table(table, ())
    parsed = tomllib.loads(writer.text)
    located = locate(writer.text)
    for leaf in leaves(parsed) - {()}:
        assert located[leaf] == writer.lines[leaf], (leaf, writer.text)


@given(st.text(st.sampled_from("[]{}\"'=.,#\\\n ab1"), max_size=60))
def test_text_that_is_no_toml_never_raises(text: str) -> None:
    locate(text)
