"""Callers of soaks: many at once, on kept connections, and what came of each of their requests."""

import asyncio
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.gateway.house import House, installed
from tests.serving import children

SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))
"""For trying them out: every soak's length, in place of its own."""


def length(own_s: float) -> float:
    """How long a soak runs."""
    return SECONDS or own_s


@contextlib.contextmanager
def paced() -> Iterator[str]:
    """The port of a paced provider."""
    script = Path(__file__).with_name("paced.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextlib.contextmanager
def paced_house(folder: Path, *server: str, workers: int = 1) -> Iterator[House]:
    """A gateway before paced providers. Floods have one of their own: a provider that writes flat out would
    keep the others' words waiting, and those are timed from where they are written.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lines = [*server, "providers_from_environment = false", "[local]", "enabled = false"]
    with contextlib.ExitStack() as stack:
        for provider, models in (
            ("paced", ("now", "whole", "slow", "stream", "quick")),
            ("floods", ("flood",)),
        ):
            port = stack.enter_context(paced())
            lines += [
                f"[providers.{provider}]",
                'kind = "openai_like"', 'dialect = "openai_chat"', f'base_url = "http://127.0.0.1:{port}/v1"',
                'credential = "env:PACED"', "allow_private_network = true", "models = []",
            ]  # fmt: skip
            for model in models:
                lines += ["[[models]]", f'id = "{model}"', 'price = { input = "1", output = "1" }']
                lines += ["[[deployments]]", f'provider = "{provider}"']
                lines += [f'model = "{model}"', f'upstream_model = "{model}"']
        yield stack.enter_context(installed(folder, "\n".join(lines), workers=workers, PACED="none"))


@contextlib.contextmanager
def apart(house: House) -> Iterator[None]:
    """The started gateway has the first core to itself meanwhile, and callers and providers the others: what
    is measured is the gateway, and not which of them was let to run.
    """
    mine = os.sched_getaffinity(0)
    cores, serving = sorted(mine), workers_of(house)
    if len(cores) > 1:
        for pid in serving:
            _pin(pid, cores[:1])
        for pid in {os.getpid(), *children(os.getpid())} - {*serving, house.gateway.process.pid}:
            _pin(pid, cores[1:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def _pin(pid: int, cores: list[int]) -> None:
    """All of its threads."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


@dataclass
class Told:
    """What came of requests."""

    counts: Counter[str] = field(default_factory=Counter)
    took_s: list[float] = field(default_factory=list)
    gaps_s: list[float] = field(default_factory=list)
    """Between a piece's writing at the provider and its coming."""

    def p99(self, values: list[float]) -> float:
        """Of a list that is not empty."""
        return sorted(values)[int(len(values) * 0.99)]


class Caller:
    """One connection, kept as long as the gateway keeps it."""

    def __init__(self, base_url: str, token: str, told: Told) -> None:
        parts = urlsplit(base_url)
        self._where = parts.hostname, parts.port
        self._token = token
        self.told = told
        self.begun = asyncio.Event()
        """A piece of a stream has come."""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, model: str, *, stream: bool = False, **headers: str) -> int:
        """The status, counted; 0 when there was none, or its body was cut."""
        began = time.monotonic()
        try:
            status = await self._ask(model, stream, headers)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.told.counts[f"cut: {type(error).__name__}"] += 1
            self.close()
            return 0
        self.told.counts[str(status)] += 1
        if status == 200:
            self.told.took_s.append(time.monotonic() - began)
        return status

    def close(self) -> None:
        """Leave."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()  # it was closed while idle: nothing was lost
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._where)
        return self._streams

    async def _ask(self, model: str, stream: bool, headers: dict[str, str]) -> int:
        reader, writer = await self._connected()
        said = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
        body = json.dumps(said).encode()
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        writer.write(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {self._token}\r\n{more}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head:
            await self._stream(reader)
        else:
            await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        if b"connection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1])

    async def _stream(self, reader: asyncio.StreamReader) -> None:
        whole = b""
        while True:
            size = int(await reader.readline(), 16)
            data = (await reader.readexactly(size + 2))[:-2]
            if not size:
                break
            self.begun.set()
            whole += data
            written = data.partition(b'"content": "')[2].partition(b" ")[0]
            if written.isdigit():
                self.told.gaps_s.append((time.monotonic_ns() - int(written)) / 1e9)
        if b"[DONE]" not in whole or b"error" in whole:
            raise asyncio.IncompleteReadError(whole[-200:], None)


def workers_of(house: House) -> list[int]:
    """The processes that serve."""
    pid = house.gateway.process.pid
    return children(pid) or [pid]


def cpu_s(pids: list[int]) -> float:
    """The processor's time that they have had."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def stolen_s(core: int) -> float:
    """What the host took of a core and gave to others, since it started."""
    (line,) = (one for one in Path("/proc/stat").read_text().splitlines() if one.startswith(f"cpu{core} "))
    return int(line.split()[8]) / os.sysconf("SC_CLK_TCK")


class Lap(NamedTuple):
    """What processes had of their core in some time, in seconds."""

    took_s: float
    used_s: float
    """Processor time."""
    stolen_s: float
    """What the host took of the core meanwhile: nobody here could have used it."""

    @property
    def left(self) -> float:
        """The share of the time that the host left."""
        return 1 - self.stolen_s / self.took_s


class Laps:
    """Measures processes that have one core to themselves: see `apart`."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._core = min(os.sched_getaffinity(pids[0]))
        self._at = self._now()

    def lap(self) -> Lap:
        """Since the last one, or since this was made."""
        before, self._at = self._at, self._now()
        return Lap(*[now - then for now, then in zip(self._at, before, strict=True)])

    def _now(self) -> tuple[float, float, float]:
        return time.monotonic(), cpu_s(self._pids), stolen_s(self._core)


def rss_mib(pids: list[int]) -> float:
    """Their memory together."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * resource.getpagesize() / (1 << 20)


def sockets(pids: list[int]) -> int:
    """Their open descriptors together."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def slope(points: list[tuple[float, float]]) -> float:
    """Least squares: units a second."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
