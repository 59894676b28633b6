"""Several workers on one socket: a parent that starts them, passes signals on, and replaces the dead.

The parent holds the listening socket and nothing else: no configuration, no database, no requests. However
it dies, its workers end with it (Linux), so that the next start finds the port free.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from passerelle.gateway import charts, counters

_RESTART_WINDOW_S = 60.0
_RESTARTS_PER_WINDOW = 10
_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal a process gets when its parent ends."""


class WorkersFailed(Exception):
    """Workers die as fast as they start; the parent gives up rather than spin."""


def supervise(command: Sequence[str], sock: socket.socket, count: int, *, grace_s: float) -> int:
    """Run `count` copies of `command`, each with `--fd` of `sock` appended, until SIGTERM or SIGINT. What
    they share beside it is given with `--limits-fd`, `--health-fd` and `--place`: see `gateway.counters` and
    `gateway.charts`.

    Gives the exit status for the parent: 0 after an orderly stop. Raises `WorkersFailed`.
    """
    with tempfile.TemporaryDirectory(prefix="passerelle-metrics-") as shared:
        return _Parent(command, sock, count, grace_s, Path(shared)).run()


class _Parent:
    def __init__(
        self, command: Sequence[str], sock: socket.socket, count: int, grace_s: float, shared: Path
    ) -> None:
        self._limits = counters.create(count)
        self._health = charts.create(count)
        self._command = [*command, "--fd", str(sock.fileno()), "--limits-fd", str(self._limits)]
        self._command += ["--health-fd", str(self._health)]
        self._sock = sock
        self._count = count
        self._grace_s = grace_s
        self._shared = shared
        self._environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(shared)}
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._places: dict[int, int] = {}
        """Child → which of the workers it is."""
        self._stopping = False
        self._starts: list[float] = []

    def run(self) -> int:
        signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            for place in range(self._count):
                self._start(place)
            deadline: float | None = None
            while self._children:
                timeout = 1.0 if deadline is None else max(0.0, deadline - time.monotonic())
                received = signal.sigtimedwait(signals, timeout)
                number = None if received is None else received.si_signo
                if number == signal.SIGHUP:
                    self._tell(signal.SIGHUP)
                elif number in (signal.SIGTERM, signal.SIGINT):
                    self._stopping = True
                    deadline = time.monotonic() + self._grace_s + 5.0
                    self._tell(signal.SIGTERM)
                    # The workers close theirs; while ours is open the kernel would go on taking connections
                    # that nobody serves.
                    self._sock.close()
                self._reap()
                if deadline is not None and time.monotonic() >= deadline:
                    self._tell(signal.SIGKILL)
                    deadline = time.monotonic() + 5.0
            return 0
        finally:
            self._tell(signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    def _start(self, place: int) -> None:
        now = time.monotonic()
        self._starts = [at for at in self._starts if now - at < _RESTART_WINDOW_S]
        if len(self._starts) >= self._count + _RESTARTS_PER_WINDOW:
            raise WorkersFailed("workers die as fast as they start; read their log above for the cause")
        self._starts.append(now)
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no caller's word in it
            [*self._command, "--place", str(place)],
            env=self._environment,
            pass_fds=[self._sock.fileno(), self._limits, self._health],
            stdin=subprocess.DEVNULL,
            preexec_fn=partial(_prepare_worker, os.getpid(), _libc()),  # the parent has no threads
        )
        self._children[child.pid] = child
        self._places[child.pid] = place

    def _reap(self) -> None:
        for pid, child in list(self._children.items()):
            if child.poll() is None:
                continue
            del self._children[pid]
            place = self._places.pop(pid)
            counters.clear(self._limits, place)  # what it had under way counts against nobody any more
            for gauge in self._shared.glob(f"gauge_live*_{pid}.db"):
                gauge.unlink()  # what prometheus-client's `mark_process_dead` does, without importing it
            if not self._stopping:
                print(f"worker {pid} ended with {child.returncode}; starting another", file=sys.stderr)  # noqa: T201
                self._start(place)

    def _tell(self, number: int) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(number)


def _libc() -> "ctypes.CDLL | None":
    """The C library, loaded before the fork."""
    return ctypes.CDLL(None) if sys.platform.startswith("linux") else None


def _prepare_worker(parent: int, libc: "ctypes.CDLL | None") -> None:
    """Between fork and exec: signals as a program expects, an orderly end if the parent is killed."""
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    if libc is not None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)
