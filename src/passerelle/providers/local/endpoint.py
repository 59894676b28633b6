"""Where the engine listens, as workers tell each other through a file only their user can read."""

import asyncio
import contextlib
import os
from pathlib import Path

import msgspec

FILE = "endpoint"


class Endpoint(msgspec.Struct, frozen=True):
    """Where the engine is."""

    address: str
    """`http://127.0.0.1:PORT`."""
    key: str
    pid: int

    def __repr__(self) -> str:
        return f"Endpoint({self.address!r}, pid={self.pid})"


async def healthy(endpoint: Endpoint, timeout_s: float) -> bool:
    """Whether an engine answers at `endpoint` and takes its key (llama.cpp's `GET /v1/models`)."""
    host, _, port = endpoint.address.removeprefix("http://").rpartition(":")
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                head = f"GET /v1/models HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
                writer.write(f"{head}Authorization: Bearer {endpoint.key}\r\n\r\n".encode())
                line = await reader.readline()
                return line.split(b" ")[1:2] == [b"200"]
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, ValueError):
        return False


def stamp(folder: Path | None) -> tuple[int, int] | None:
    """What tells one `endpoint` file from the next; None when there is none."""
    if folder is None:
        return None
    try:
        facts = (folder / FILE).stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def read_endpoint(folder: Path) -> Endpoint | None:
    """What the keeper wrote, if it is whole and on loopback."""
    try:
        found = msgspec.json.decode((folder / FILE).read_bytes(), type=Endpoint)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.address.startswith("http://127.0.0.1:") else None


def write_endpoint(folder: Path, endpoint: Endpoint) -> None:
    """Written aside and moved into place, readable by this user alone from its first byte."""
    partial = folder / f"{FILE}.{os.getpid()}"
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(endpoint))
    partial.replace(folder / FILE)


def forget_endpoint(folder: Path | None) -> None:
    """The engine is gone."""
    if folder is not None:
        (folder / FILE).unlink(missing_ok=True)
