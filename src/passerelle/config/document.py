"""A TOML file read into a mapping with the line of every path; every way it can fail is a finding."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from passerelle.config.findings import Finding
from passerelle.config.locate import Path as Keys
from passerelle.config.locate import locate, stopped_at
from passerelle.config.origin import Stamp

MAX_FILE_BYTES = 4 << 20

_POSITION = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)\Z")


class Document(msgspec.Struct, frozen=True):
    """A parsed file, or the finding that says why there is none."""

    name: str
    data: Mapping[str, Any] = msgspec.field(default_factory=dict)
    lines: Mapping[Keys, int] = msgspec.field(default_factory=dict)
    failure: Finding | None = None
    stamp: Stamp | None = None
    """The file's when it was read."""
    files: Mapping[Keys, str] = {}
    """Paths of `lines` that stand in another file, and in which: see `suppose`."""


def stamp(path: Path) -> Stamp | None:
    """What changes when a file is edited or replaced (through symbolic links too); None when it is away."""
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_size, found.st_ino


def read(path: Path) -> Document:
    """Read a file. Never raises for what is in it or for its absence."""
    name = str(path)

    def failed(message: str, next_step: str, code: str) -> Document:
        return Document(name, failure=Finding(name, None, "", message, next_step, code=code))

    try:
        with path.open("rb") as file:
            read_stamp = _stamp(os.fstat(file.fileno()))
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return failed("there is no such file", "Create it, or name another with `--config`", "unreadable")
    except IsADirectoryError:
        return failed("this is a folder", "Name the `passerelle.toml` in it", "unreadable")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return failed(f"the file cannot be read ({reason})", "Let this user read it", "unreadable")
    if len(raw) > MAX_FILE_BYTES:
        return failed("the file is larger than 4 MiB", "Name the file that holds the settings", "unreadable")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        finding = Finding(name, line, "", "the file is not UTF-8 text", "Save it as UTF-8", code="syntax")
        return Document(name, failure=finding)
    return msgspec.structs.replace(parse(text, name), stamp=read_stamp)


def parse(text: str, name: str) -> Document:
    """Parse TOML text that came from `name`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Document(name, failure=_syntax_finding(error, text, name))
    except RecursionError:
        finding = Finding(name, None, "", "values are nested too deeply", "Write it flatter", code="syntax")
        return Document(name, failure=finding)
    return Document(name, data, locate(text))


def _syntax_finding(error: tomllib.TOMLDecodeError, text: str, name: str) -> Finding:
    """`tomllib` before 3.14 gives the position only inside its message."""
    words = str(error)
    position = _POSITION.search(words)
    # A quotation mark that is never closed is only noticed at the end: say where it was opened.
    line, column = stopped_at(text) or text.count("\n") + 1, None
    if position:
        words = words[: position.start()]
        if position.group(1):
            line, column = int(position.group(1)), int(position.group(2))
    at = f", column {column}" if column else ""
    message = f"this is not TOML{at}: {words[:1].lower()}{words[1:]}"
    return Finding(name, line, "", message, _syntax_advice(words), code="syntax")


def _syntax_advice(words: str) -> str:
    if "overwrite" in words or "declare" in words or "Duplicate" in words:
        return "Write each table and each key once; further entries of a list take `[[…]]`"
    if "Invalid value" in words:
        return "Put text between quotation marks"
    if "string" in words.lower() or "character" in words:
        return "Close the quotation mark, and write a backslash as `\\\\`"
    return "Compare the line with the example in docs/configuration.md"
