"""Secrets: named in settings, read when needed, never shown.

A setting holds a `SecretRef` (`env:NAME` or `file:/path`), never the secret. Resolving one gives a
`Secret`, whose repr, str, format, pickle and JSON do not contain it; `reveal()` is the one way out.
"""

import hmac
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NoReturn

import msgspec

from passerelle.core.errors import PasserelleError

MAX_SECRET_BYTES = 64 << 10
"""A larger secret file is some other file."""

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class SecretError(PasserelleError):
    """A reference that leads nowhere. Names the reference, never its content."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(f"{message}. {next_step}.")
        self.message = message
        self.next_step = next_step


class Secret:
    """A resolved secret that shows itself to nobody who does not ask."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself. Put it on the wire, nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> NoReturn:
        raise TypeError("a `Secret` may not be a key: keys get logged; use the reference instead")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a `Secret` may not be pickled or copied; pass its reference and resolve it there")


class SecretRef(msgspec.Struct, frozen=True):
    """Where a secret is: an environment variable or a file. Safe to show."""

    kind: Literal["env", "file"]
    name: str
    """Variable name, or absolute path."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> "SecretRef":
        """Read `env:NAME` or `file:/path`. Raises `ValueError`, whose words never repeat `text`."""
        kind, _, name = text.partition(":")
        if kind == "env" and _ENV_NAME.match(name):
            return cls("env", name)
        if kind == "file" and name.startswith("/") and "\0" not in name:
            return cls("file", name)
        if kind == "env":
            raise ValueError("`env:` must be followed by the name of an environment variable")
        if kind == "file":
            raise ValueError("`file:` must be followed by an absolute path")
        raise ValueError("a secret may not stand in a file of settings")

    def resolve(self, env: Mapping[str, str]) -> Secret:
        """The secret as it is now, surrounding white space removed, a JSON object on one line. Files are
        read at each call, so that a rotated one is seen. Raises `SecretError`.
        """
        value = self._from_env(env) if self.kind == "env" else self._from_file()
        value = _on_one_line(value.strip())
        if not value:
            raise SecretError(f"`{self}` is empty", "Put the secret there")
        if not value.isprintable():
            raise SecretError(
                f"`{self}` holds line breaks or control characters",
                "Leave only the secret there, on one line",
            )
        return Secret(value)

    def _from_env(self, env: Mapping[str, str]) -> str:
        try:
            return env[self.name]
        except KeyError:
            raise SecretError(
                f"the environment variable `{self.name}` is not set",
                f"Set `{self.name}`, or remove what refers to it",
            ) from None

    def _from_file(self) -> str:
        path = Path(self.name)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_SECRET_BYTES + 1)
            if len(data) > MAX_SECRET_BYTES:
                raise SecretError(
                    f"`{self}` is larger than 64 KiB", "Name the file that holds only the secret"
                )
            return data.decode()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SecretError(
                f"`{self}` cannot be read ({reason})", "Create the file, or let this user read it"
            ) from None
        except UnicodeDecodeError:
            raise SecretError(
                f"`{self}` is not UTF-8 text", "Name a file that holds the secret as text"
            ) from None


def _on_one_line(value: str) -> str:
    """A JSON object (a credential file of Google's) without its line breaks; anything else as it is."""
    if not value.startswith("{"):
        return value
    try:
        return json.dumps(json.loads(value), separators=(",", ":"))
    except ValueError:
        return value


_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("an API key", re.compile(r"\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{16,}")),
    ("a key of ours", re.compile(r"\bpsk_[A-Za-z0-9]+_[A-Za-z0-9_-]{16,}")),
    ("a Google API key", re.compile(r"\bAIza[0-9A-Za-z_-]{30,}")),
    ("an API key", re.compile(r"\b(?:gsk|hf|fw|r8|tgp_v1|csk)_[A-Za-z0-9_-]{16,}")),
    ("an API key", re.compile(r"\b(?:xai|pplx|nvapi|bfl)-[A-Za-z0-9_-]{16,}")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})")),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a signed token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a bearer credential", re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{12,}")),
    ("a password in a URL", re.compile(r"://[^/\s:@]*:[^/\s@]+@")),
)
"""Shapes of secrets that people paste. Prefixes as the issuers document them (gitleaks and kingfisher rule
lists, read 2026-11-22); long enough that a model name such as `sk-small` is not taken for one."""


def looks_like_secret(text: str) -> str | None:
    """What kind of secret `text` seems to hold, or None."""
    return next((what for what, shape in _SHAPES if shape.search(text)), None)
