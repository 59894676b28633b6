"""A small client of a running gateway, for commands that ask it something. Standard library only."""

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import Any, NamedTuple

from passerelle.cli.common import Failure

DEFAULT_URL = "http://127.0.0.1:8080"


class Answer(NamedTuple):
    """A JSON answer with its headers, names in lower case."""

    body: Any
    headers: dict[str, str]


class Stream(NamedTuple):
    """A streamed answer: its headers, then its events as they arrive."""

    events: Iterator[Any]
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
        with self._sent("GET", path, None, {}, timeout_s) as reply:
            return Answer(json.loads(reply.read()), _headers(reply))

    def post(
        self, path: str, body: object, headers: dict[str, str] | None = None, *, timeout_s: float = 600.0
    ) -> Answer:
        """POST JSON. Raises `Failure` in words for a person."""
        with self._sent("POST", path, body, headers or {}, timeout_s) as reply:
            return Answer(json.loads(reply.read()), _headers(reply))

    def delete(self, path: str, *, timeout_s: float = 10.0) -> Answer:
        """DELETE. Raises `Failure` in words for a person."""
        with self._sent("DELETE", path, None, {}, timeout_s) as reply:
            return Answer(json.loads(reply.read()), _headers(reply))

    @contextmanager
    def stream(
        self, path: str, body: object, headers: dict[str, str] | None = None, *, timeout_s: float = 600.0
    ) -> Iterator[Stream]:
        """POST JSON and read server-sent events. Raises `Failure`, in the middle too."""
        with self._sent("POST", path, body, headers or {}, timeout_s) as reply:
            yield Stream(_events(reply), _headers(reply))

    @contextmanager
    def _sent(
        self, method: str, path: str, body: object, headers: dict[str, str], timeout_s: float
    ) -> Iterator[http.client.HTTPResponse]:
        if not self.url.startswith(("http://", "https://")):
            raise Failure(f"`{self.url}` is not an http or https address; give one with --url.")
        if not self._key:
            raise Failure("No API key: set PASSERELLE_API_KEY, or make one with `passerelle keys create`.")
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "authorization": f"Bearer {self._key}",
                "content-type": "application/json",
                **headers,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as reply:  # noqa: S310
                yield reply
        except urllib.error.HTTPError as error:
            with error:
                raise Failure(_told(error.code, error.read(), error.headers)) from error
        except (json.JSONDecodeError, http.client.HTTPException) as error:
            raise Failure(f"What answers at {self.url} is not Passerelle; check the address.") from error
        except OSError as error:  # URLError is one
            raise Failure(self._nobody(error)) from error

    def _nobody(self, error: OSError) -> str:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ConnectionRefusedError):
            return f"No gateway answers at {self.url}; start one with `passerelle serve`, or give --url."
        return f"The gateway at {self.url} cannot be reached ({reason}); check the address."


def _headers(reply: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items()}


def _events(reply: http.client.HTTPResponse) -> Iterator[Any]:
    for line in reply:
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        event = json.loads(data)
        if "error" in event:
            raise Failure(f"The answer broke off: {event['error'].get('message', 'no reason was given')}")
        yield event


def _told(status: int, body: bytes, headers: Message) -> str:
    try:
        said = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = body[:300].decode("utf-8", "replace")
    receipt = headers.get("x-passerelle-receipt")
    return f"The gateway answered {status}: {said}" + (f"\nIts receipt is {receipt}." if receipt else "")
