"""A small client of a running gateway, for commands that ask it something. Standard library only."""

import json
import os
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from passerelle.cli.common import Failure

DEFAULT_URL = "http://127.0.0.1:8080"


class Answer(NamedTuple):
    """A JSON answer with its headers, names in lower case."""

    body: Any
    headers: dict[str, str]


class Client:
    """Talks to the gateway at `url` with one key."""

    def __init__(self, url: str | None, key: str | None) -> None:
        """`url` and `key` default to `PASSERELLE_BASE_URL` and `PASSERELLE_API_KEY`."""
        self.url = (url or os.environ.get("PASSERELLE_BASE_URL") or DEFAULT_URL).rstrip("/")
        self._key = key or os.environ.get("PASSERELLE_API_KEY")

    @property
    def has_key(self) -> bool:
        """Whether a key was given."""
        return bool(self._key)

    def get(self, path: str, *, timeout_s: float = 10.0) -> Answer:
        """GET. Raises `Failure` in words for a person."""
        return self._send("GET", path, None, {}, timeout_s)

    def post(
        self, path: str, body: object, headers: dict[str, str] | None = None, *, timeout_s: float = 600.0
    ) -> Answer:
        """POST JSON. Raises `Failure` in words for a person."""
        return self._send("POST", path, json.dumps(body).encode(), headers or {}, timeout_s)

    def _send(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str], timeout_s: float
    ) -> Answer:
        if not self.url.startswith(("http://", "https://")):
            raise Failure(f"`{self.url}` is not an http or https address.")
        if not self._key:
            raise Failure("No API key: set PASSERELLE_API_KEY, or make one with `passerelle keys create`.")
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
            self.url + path,
            data=data,
            method=method,
            headers={
                "authorization": f"Bearer {self._key}",
                "content-type": "application/json",
                **headers,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as reply:  # noqa: S310
                return Answer(json.loads(reply.read()), {k.lower(): v for k, v in reply.headers.items()})
        except urllib.error.HTTPError as error:
            raise Failure(_told(error.code, error.read())) from error
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise Failure(
                f"No gateway answers at {self.url} ({reason}); start one with `passerelle serve`."
            ) from error


def _told(status: int, body: bytes) -> str:
    try:
        said = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = body[:300].decode("utf-8", "replace")
    return f"The gateway answered {status}: {said}"
