"""Load: wrk for throughput; our own open-loop client for latency and streams.

Latency counts from the scheduled time of each request, not from when it could be sent, so that a slow
gateway cannot hide behind a client that waits (no coordinated omission).
"""

import asyncio
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

LOAD_CORE = "1"


@dataclass
class Throughput:
    """What wrk saw."""

    requests: int
    per_s: float
    errors: int


def stolen_ticks() -> tuple[int, int]:
    """Of all processors since the start: ticks that the host gave to others, and all ticks."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return ticks[7], sum(ticks)


def throughput(
    url: str, body: bytes, headers: dict[str, str], *, seconds: int, connections: int = 32
) -> Throughput:
    """Closed-loop throughput with wrk, on the load core."""
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(body)
        script = Path(folder) / "post.lua"
        script.write_text(
            f'local f = io.open("{folder}/body", "rb")\nwrk.body = f:read("*a")\nf:close()\n'
            'wrk.method = "POST"\n' + "\n".join(lines) + "\n"
        )
        command = [
            "taskset",
            "-c",
            LOAD_CORE,
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "-s",
            str(script),
            url,
        ]
        out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    requests = int(re.search(r"(\d+) requests in", out).group(1))  # type: ignore[union-attr]
    per_s = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))  # type: ignore[union-attr]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    socket_errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    errors = int(bad.group(1)) if bad else 0
    errors += sum(map(int, socket_errors.groups())) if socket_errors else 0
    return Throughput(requests, per_s, errors)


def _raw(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    said = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(body)}\r\n{said}\r\n"
    return head.encode() + body


async def _one(port: int, request: bytes, due: float) -> float:
    loop = asyncio.get_running_loop()
    reader, writer = _pool.pop() if _pool else await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(lower[at + 15 :].split(b"\r\n", 1)[0]))
    else:
        while await reader.readuntil(b"\r\n") != b"0\r\n":
            pass
        await reader.readuntil(b"\r\n")
    if b" 200 " not in head[:16]:
        raise RuntimeError(head.decode("latin-1"))
    _pool.append((reader, writer))
    return loop.time() - due


_pool: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []


def latency(
    port: int, path: str, body: bytes, headers: dict[str, str], *, rate: float, count: int
) -> list[float]:
    """Seconds from each scheduled time to the whole answer, open loop."""

    async def run() -> list[float]:
        _pool.clear()
        request = _raw(path, body, headers)
        loop = asyncio.get_running_loop()
        for _ in range(5):
            await _one(port, request, loop.time())
        start = loop.time() + 0.1
        tasks = []
        for i in range(count):
            due = start + i / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.create_task(_one(port, request, due)))
        done = await asyncio.gather(*tasks)
        for _, writer in _pool:
            writer.close()
        return list(done)

    # Not uvloop here: its timers and its clock count whole milliseconds.
    return asyncio.run(run())


@dataclass
class Streams:
    """What concurrent streams gave."""

    complete: int
    pieces: int
    transit_p50_ms: float
    transit_p99_ms: float
    seconds: float


_STAMP = re.compile(rb'"(?:content|text)":\s?"(\d{6,}) "')


def streams(port: int, path: str, body: bytes, headers: dict[str, str], *, count: int, end: bytes) -> Streams:
    """`count` concurrent streams read to their end; transit from the stamp in each piece."""

    async def one(request: bytes, transits: list[int], pieces: list[int]) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        whole = False
        tail = b""
        while data := await reader.read(65536):
            now = time.monotonic_ns()
            found = _STAMP.findall(data)
            transits.extend([now - int(stamp) for stamp in found])
            pieces[0] += len(found)
            tail = (tail + data)[-400:]
            if end in tail:
                whole = True
            if tail.endswith(b"0\r\n\r\n"):
                break
        writer.close()
        return whole

    async def run() -> Streams:
        request = _raw(path, body, headers)
        transits: list[int] = []
        pieces = [0]
        started = time.monotonic()
        done = await asyncio.gather(*[one(request, transits, pieces) for _ in range(count)])
        took = time.monotonic() - started
        transits.sort()
        if not transits:
            return Streams(sum(done), 0, 0.0, 0.0, took)
        return Streams(
            sum(done),
            pieces[0],
            statistics.median(transits) / 1e6,
            transits[int(len(transits) * 0.99)] / 1e6,
            took,
        )

    return uvloop.run(run())
