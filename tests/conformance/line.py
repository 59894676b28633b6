"""A client's connection to the gateway, kept open, and what it is told.

Answers are parsed by `httptools`: `http.client` took a quarter of all the time of this side.
"""

import json
import socket
from dataclasses import dataclass, field

import httptools
from tests.conformance.talk import Json

_PATIENCE_S = 30
_AT_ONCE_BYTES = 1 << 16


@dataclass
class Told:
    """What the gateway told a client."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def dropped(self) -> set[str]:
        """What it says was left out, or changed (`temperature=1`)."""
        said = self.headers.get("x-passerelle-dropped", "").split(",")
        return {name.partition("=")[0] for name in said if name}

    def json(self) -> Json:
        """The body."""
        found: Json = json.loads(self.body)
        return found


class _Reading:
    """What `httptools` calls while it parses one answer."""

    def __init__(self) -> None:
        self.told = Told()
        self.pieces: list[bytes] = []
        self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.told.headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)

    def on_message_complete(self) -> None:
        self.whole = True


class Line:
    """One connection; asks one thing after another."""

    def __init__(self, place: str) -> None:
        self._place = place
        host, _, port = place.partition(":")
        self._socket = socket.create_connection((host, int(port)), _PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path: str, headers: dict[str, str], body: bytes) -> Told:
        """POST, and the whole answer. Raises `ConnectionError` when the gateway hangs up before its end."""
        lines = [f"POST {path} HTTP/1.1", f"host: {self._place}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "\r\n"]).encode() + body)
        reading = _Reading()
        parser = httptools.HttpResponseParser(reading)
        while not reading.whole:
            data = self._socket.recv(_AT_ONCE_BYTES)
            if not data:
                raise ConnectionError(f"the gateway hung up on {path}")
            parser.feed_data(data)
        reading.told.status = parser.get_status_code()
        reading.told.body = b"".join(reading.pieces)
        return reading.told

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
