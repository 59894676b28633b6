"""One engine for the whole installation, whichever worker starts it.

Workers agree through a folder of the data directory, one per fingerprint of the engine's settings, so that
two generations of the configuration never share an engine by mistake:

    lock      whoever holds this `flock` starts the engine and keeps it alive; the kernel releases it
              when that worker dies, and the engine dies with the worker
    endpoint  where the engine listens and the key it wants, mode 0600; written when it is ready

The others read `endpoint`. When a call of theirs finds nobody there, they compete for the lock again.
A crashed engine is started again after a pause that doubles from half a second to half a minute.
"""

import asyncio
import contextlib
import fcntl
import importlib.util
import logging
import secrets
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from passerelle.providers.base import SendError
from passerelle.providers.local.endpoint import (
    Endpoint,
    forget_endpoint,
    healthy,
    read_endpoint,
    stamp,
    write_endpoint,
)
from passerelle.providers.local.engine import READY_PREFIX, EngineSpec, Ready
from passerelle.providers.local.options import LocalOptions, fingerprint

log = logging.getLogger("passerelle.local")

ENGINE = (sys.executable, "-m", "passerelle.providers.local.engine")

HTTP_THREADS = 16
"""llama.cpp's HTTP server gives a thread to each kept-alive connection, of every worker."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""An engine that lived this long is not in a crash loop."""

_POLL_S = 0.1
_PROBE_S = 2.0
_STOP_S = 2.0
_STDERR_LINES = 20


class Supervisor:
    """Finds the engine, or starts it and keeps it alive. Use it from one event loop."""

    def __init__(
        self,
        options: LocalOptions,
        *,
        command: Sequence[str] = ENGINE,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._options = options
        self._command = tuple(command)
        self._first_pause_s = first_pause_s
        self._endpoint: Endpoint | None = None
        self._finding: asyncio.Task[Endpoint] | None = None
        self._lock: IO[bytes] | None = None
        self._folder: Path | None = None
        self._seen: tuple[int, int] | None = None
        """Which `endpoint` file we read: another one, or none, means that the engine was stopped."""
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stderr: deque[bytes] = deque(maxlen=_STDERR_LINES)
        self._drains: tuple[asyncio.Task[None], ...] = ()
        self._failed: SendError | None = None
        """Why the last start failed: said to all who ask before `_failed_until`, so that a thousand calls
        do not start a thousand processes."""
        self._failed_until = 0.0
        self._pause_s = first_pause_s
        self._closed = False
        self.restarts = 0
        """Engines started after the first, by this worker."""

    @property
    def supervising(self) -> bool:
        """Whether this worker is the one that keeps the engine."""
        return self._lock is not None

    async def endpoint(self) -> Endpoint:
        """Where to send calls, once the engine answers there. Starts it if nobody has.

        Raises `SendError`: `not_found` when weights or engine are not installed, `overloaded` while it is
        starting again after a crash, `timeout` when it is not ready in `start_s`.
        """
        if self._endpoint is not None and (self.supervising or self._seen == stamp(self._folder)):
            return self._endpoint
        if self._closed:
            raise SendError("cancelled", "the local engine is being stopped", sent=False)
        if self._keeper is not None:  # ours, and between a crash and its next start
            raise SendError("overloaded", "the local engine stopped and is being started again", sent=False)
        if self._failed is not None and asyncio.get_running_loop().time() < self._failed_until:
            raise SendError(self._failed.failure, self._failed.message, sent=False)
        if self._finding is None:
            self._finding = asyncio.create_task(self._find())
            self._finding.add_done_callback(_seen)  # all who asked may have given up
        # Shared by everybody who waits, and shielded: the first to ask may give up.
        return await asyncio.shield(self._finding)

    def suspect(self, endpoint: Endpoint) -> None:
        """A call found nobody at `endpoint`: look again at the next one."""
        if self._endpoint == endpoint and not self.supervising:
            self._endpoint = None

    def kill(self, why: str) -> None:
        """End an engine that does not answer any more; it is started again. Only its keeper can."""
        if self._process is not None and self._process.returncode is None:
            log.warning("local engine killed: %s", why)
            self._process.kill()

    async def aclose(self) -> None:
        """Stop the engine if it is ours. Idempotent."""
        self._closed = True
        self._endpoint = None
        tasks = [task for task in (self._finding, self._keeper) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stop()
        if self._lock is not None:
            forget_endpoint(self._folder)
            self._lock.close()
            self._lock = None

    async def _find(self) -> Endpoint:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.start_s
        try:
            folder = self._open_folder()
            while True:
                if self._take_lock(folder):
                    endpoint = await self._launch(folder, deadline)
                    self._keeper = asyncio.create_task(self._keep(folder))
                    break
                self._seen = stamp(folder)
                found = read_endpoint(folder)
                if found is not None and await healthy(found, _PROBE_S):
                    endpoint = found
                    break
                if loop.time() >= deadline:
                    raise SendError(
                        "timeout", "another worker did not get the local engine ready", sent=False
                    )
                await asyncio.sleep(_POLL_S)
            self._endpoint, self._failed, self._pause_s = endpoint, None, self._first_pause_s
            return endpoint
        except (SendError, OSError) as error:
            if self._lock is not None and self._keeper is None:  # another worker may have more luck
                self._lock.close()
                self._lock = None
            failure = error if isinstance(error, SendError) else _unusable(error)
            self._failed, self._failed_until = failure, loop.time() + self._pause_s
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            raise failure from None
        finally:
            self._finding = None

    def _open_folder(self) -> Path:
        options = self._options
        try:
            name = fingerprint(options)
        except OSError:
            raise SendError(
                "not_found",
                f"the weights `{options.weights_path}` are not there; run `passerelle local install`, or "
                "correct `weights` in the `[local]` settings",
                sent=False,
            ) from None
        if self._command == ENGINE and importlib.util.find_spec("xllamacpp") is None:
            raise SendError(
                "not_found",
                "the local engine is not installed; run `pip install passerelle[local]`",
                sent=False,
            )
        folder = options.data_dir / "engine" / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        return folder

    def _take_lock(self, folder: Path) -> bool:
        # Python opens files close-on-exec, so the engine does not inherit the lock.
        handle = (folder / "lock").open("ab")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return False
        self._lock = handle
        return True

    async def _launch(self, folder: Path, deadline: float) -> Endpoint:
        """Start the engine and wait until it answers. Raises `SendError`."""
        key = secrets.token_urlsafe(32)
        options = self._options
        spec = EngineSpec(
            weights=str(options.weights_path),
            model=options.model_name,
            key=key,
            threads=options.threads,
            context_tokens=options.context_tokens,
            slots=options.slots,
            embeddings=options.embeddings,
            http_threads=HTTP_THREADS,
        )
        self._stderr.clear()
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the gateway's terminal is not for it
        )
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise RuntimeError("a child process was started without its pipes")
        # Read to the end whatever it says: a full pipe would stop it in the middle of a generation.
        complaints = asyncio.create_task(_drain(stderr, self._stderr))
        try:
            async with asyncio.timeout_at(deadline):
                stdin.write(msgspec.json.encode(spec) + b"\n")
                with contextlib.suppress(ConnectionError):
                    await stdin.drain()
                ready = await _ready(stdout)
                if ready is None:
                    await complaints
                    await process.wait()
                    raise SendError("server_error", self._died("could not start"), sent=False)
                endpoint = Endpoint(ready.address, key, ready.pid)
                if not await healthy(endpoint, _PROBE_S):
                    raise SendError(
                        "server_error", "the local engine is ready but does not answer", sent=False
                    )
        except TimeoutError:
            await self._stop()
            raise SendError(
                "timeout", f"the local engine was not ready in {options.start_s:g} s", sent=False
            ) from None
        except BaseException:
            await self._stop()
            raise
        self._drains = (complaints, asyncio.create_task(_drain(stdout, deque(maxlen=1))))
        write_endpoint(folder, endpoint)
        return endpoint

    async def _keep(self, folder: Path) -> None:
        """Start the engine again whenever it ends."""
        loop = asyncio.get_running_loop()
        pause = self._first_pause_s
        while True:
            started = loop.time()
            if self._process is not None:
                await self._process.wait()
                self._endpoint = None
                forget_endpoint(self._folder)
                log.warning("%s; starting it again in %.1f s", self._died("stopped"), pause)
            if loop.time() - started > STEADY_S:
                pause = self._first_pause_s
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
            try:
                self._endpoint = await self._launch(folder, loop.time() + self._options.start_s)
            except (SendError, OSError) as error:
                log.warning("local engine: %s", error)
                self._process = None
            else:
                self.restarts += 1

    def _died(self, what: str) -> str:
        code = self._process.returncode if self._process is not None else None
        last = self._stderr[-1].decode(errors="replace").strip()[:300] if self._stderr else ""
        return f"the local engine {what} (exit status {code}){': ' + last if last else ''}"

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _seen(task: asyncio.Task[Endpoint]) -> None:
    """Keeps asyncio from complaining of a failure nobody was left to hear."""
    if not task.cancelled():
        task.exception()


def _unusable(error: OSError) -> SendError:
    return SendError(
        "server_error",
        f"the local engine cannot be started ({error.strerror or error}); check the data directory and the "
        "limits of this user",
        sent=False,
    )


async def _ready(stdout: asyncio.StreamReader) -> Ready | None:
    """The engine's one line, or None when it ended without it."""
    try:
        while line := await stdout.readline():
            if line.startswith(READY_PREFIX):
                return msgspec.json.decode(line[len(READY_PREFIX) :], type=Ready)
    except (ValueError, msgspec.DecodeError):  # a line without end, or not ours
        return None
    return None


async def _drain(stream: asyncio.StreamReader, last: deque[bytes]) -> None:
    while chunk := await stream.read(4096):
        last.extend(line for line in chunk.splitlines() if line.strip())
