"""Where each setting stands in a TOML file: path → line.

`tomllib` gives values without positions. This scanner walks text that `tomllib` has already accepted and
notes the line on which each table, key and array element begins. Grammar: TOML v1.0.0 (toml.io/en/v1.0.0,
read 2026-11-22). On text that is not TOML it stops early; it never raises.
"""

import re
import tomllib

Path = tuple[str | int, ...]
"""Keys and array indices from the root: `("deployments", 2, "model")`."""

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\[\s\S])*?"{3,5}'
    r"|'''[\s\S]*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)


def locate(text: str) -> dict[Path, int]:
    """The 1-based line of every path in `text`."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.lines


def stopped_at(text: str) -> int | None:
    """The 1-based line on which `text` stops being TOML as far as this scanner sees; None if it does not."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.stopped_on


class _NotTomlError(Exception):
    """The text is not TOML from here on."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.stopped_on: int | None = None
        self._arrays: dict[Path, int] = {}  # index of the last element of each array of tables
        self._counted_to = 0
        self._line = 1

    def document(self) -> None:
        table: Path = ()
        try:
            while True:
                self._skip(_SPACE)
                if self.at >= len(self.text):
                    return
                if self.text.startswith("[[", self.at):
                    table = self._array_header()
                elif self.text[self.at] == "[":
                    table = self._header()
                else:
                    self._pair(table)
        except (_NotTomlError, RecursionError):
            self.stopped_on = self._here()

    def _here(self) -> int:
        self._line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at
        return self._line

    def _note(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def _header(self) -> Path:
        line = self._here()
        self.at += 1
        table = self._resolved(self._key())
        self._expect("]")
        self._note(table, line)
        return table

    def _array_header(self) -> Path:
        line = self._here()
        self.at += 2
        *parents, last = self._key()
        array = (*self._resolved(tuple(parents)), last)
        self._expect("]]")
        index = self._arrays.get(array, -1) + 1
        self._arrays[array] = index
        self._note((*array, index), line)
        return (*array, index)

    def _resolved(self, keys: tuple[str, ...]) -> Path:
        """`keys` with the index of the newest element after each array of tables on the way."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _pair(self, table: Path) -> None:
        line = self._here()
        path = (*table, *self._key())
        self._expect("=")
        self._note(path, line)
        self._skip(_BLANK)
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            if self.text[self.at : self.at + 1] in ('"', "'"):
                token = self._match(_STRING)
                parts.append(_unquoted(token))
            else:
                parts.append(self._match(_BARE))
            self._skip(_BLANK)
            if self.text[self.at : self.at + 1] != ".":
                return tuple(parts)
            self.at += 1

    def _value(self, path: Path) -> None:
        opening = self.text[self.at : self.at + 1]
        if opening in ('"', "'"):
            self._match(_STRING)
        elif opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._match(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while True:
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == "]":
                self.at += 1
                return
            element = (*path, index)
            self._note(element, self._here())
            self._value(element)
            index += 1
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == ",":
                self.at += 1
            elif self.text[self.at : self.at + 1] != "]":
                raise _NotTomlError

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while True:
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == "}":
                self.at += 1
                return
            self._pair(path)
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == ",":
                self.at += 1
            elif self.text[self.at : self.at + 1] != "}":
                raise _NotTomlError

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            raise _NotTomlError
        self.at = found.end()
        return found.group()

    def _expect(self, token: str) -> None:
        self._skip(_BLANK)
        if not self.text.startswith(token, self.at):
            raise _NotTomlError
        self.at += len(token)


def _unquoted(token: str) -> str:
    if token[0] == "'":
        return token[1:-1]
    try:
        value = tomllib.loads(f"k = {token}")["k"]
    except tomllib.TOMLDecodeError:
        raise _NotTomlError from None
    return str(value)
