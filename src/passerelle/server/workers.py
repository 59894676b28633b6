"""Several workers on one socket: a parent that starts them, passes signals on, and replaces the dead.

The parent holds the listening socket and nothing else: no configuration, no database, no requests. However
it dies, its workers end with it (Linux), so that the next start finds the port free.

SIGUSR2 restarts the workers one by one. A new one is started in a spare place, and only when it takes
requests is an old one told to end: it finishes what it has, while the others go on taking what comes. One
that does not get ready (a wrong setting, a version that does not start) ends the restart: the old ones stay.
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
from typing import NamedTuple

from passerelle.gateway import charts, counters

_RESTART_WINDOW_S = 60.0
_RESTARTS_PER_WINDOW = 10
_READY_WITHIN_S = 60.0
"""Of a new worker, before the restart is given up."""
_OVERDUE_S = 10.0
"""How long after its grace an old worker is waited for before it is killed."""
_ROLL_LOOK_S = 0.05
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
        places = count + 1  # one is spare: a new worker begins before an old one ends
        self._limits = counters.create(places)
        self._health = charts.create(places)
        self._all_places = range(places)
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
        self._to_replace: list[int] = []
        """Of a restart: the workers it has still to replace."""
        self._fresh: _Fresh | None = None
        self._leaving: tuple[int, float] | None = None
        """The old worker that was told to end, and when it is overdue."""
        self._once_more = False
        """A restart was asked for during one."""
        self._starts: list[float] = []

    def run(self) -> int:
        signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            for place in range(self._count):
                self._start(place)
            deadline: float | None = None
            while self._children:
                timeout = 1.0 if deadline is None else max(0.0, deadline - time.monotonic())
                if self._rolling:
                    timeout = min(timeout, _ROLL_LOOK_S)
                received = signal.sigtimedwait(signals, timeout)
                number = None if received is None else received.si_signo
                if number == signal.SIGHUP:
                    self._tell(signal.SIGHUP)
                elif number == signal.SIGUSR2 and not self._stopping:
                    self._once_more = True
                elif number in (signal.SIGTERM, signal.SIGINT):
                    self._stopping = True
                    deadline = time.monotonic() + self._grace_s + 5.0
                    self._tell(signal.SIGTERM)
                    # The workers close theirs; while ours is open the kernel would go on taking connections
                    # that nobody serves.
                    self._sock.close()
                self._reap()
                if not self._stopping:
                    self._roll()
                if deadline is not None and time.monotonic() >= deadline:
                    self._tell(signal.SIGKILL)
                    deadline = time.monotonic() + 5.0
            return 0
        finally:
            self._tell(signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    @property
    def _rolling(self) -> bool:
        return bool(self._to_replace or self._fresh or self._leaving)

    def _roll(self) -> None:
        """One look at a restart, which takes its next step or waits for the one before."""
        now = time.monotonic()
        if self._leaving is not None:
            pid, overdue_at = self._leaving
            if pid not in self._children:
                self._leaving = None
                if not self._rolling:
                    _say("every worker was restarted")
            elif now >= overdue_at:
                self._children[pid].kill()
        elif self._fresh is not None:
            fresh, self._fresh = self._fresh, None
            word = fresh.word()
            if word is None and now < fresh.until_s:
                self._fresh = fresh
                return
            os.close(fresh.reads)
            if word:
                if self._to_replace:
                    old = self._to_replace.pop(0)
                    self._children[old].send_signal(signal.SIGTERM)
                    self._leaving = old, now + self._grace_s + _OVERDUE_S
                return
            self._to_replace = []
            if fresh.pid in self._children:
                self._leaving = fresh.pid, now
            _say(f"worker {fresh.pid} did not get ready: the restart is given up, and the others stay")
        elif self._to_replace:
            free = next(place for place in self._all_places if place not in self._places.values())
            reads, writes = os.pipe()
            os.set_blocking(reads, False)
            try:
                pid = self._spawn(free, writes)
            finally:
                os.close(writes)
            self._fresh = _Fresh(pid, reads, now + _READY_WITHIN_S)
        elif self._once_more:
            self._once_more = False
            self._to_replace = list(self._children)

    def _start(self, place: int) -> None:
        now = time.monotonic()
        self._starts = [at for at in self._starts if now - at < _RESTART_WINDOW_S]
        if len(self._starts) >= self._count + _RESTARTS_PER_WINDOW:
            raise WorkersFailed("workers die as fast as they start; read their log above for the cause")
        self._starts.append(now)
        self._spawn(place)

    def _spawn(self, place: int, ready: int | None = None) -> int:
        """A worker in that place, which says so on `ready` when it takes requests; its process."""
        more = [] if ready is None else ["--ready-fd", str(ready)]
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no caller's word in it
            [*self._command, "--place", str(place), *more],
            env=self._environment,
            pass_fds=[self._sock.fileno(), self._limits, self._health, *([] if ready is None else [ready])],
            stdin=subprocess.DEVNULL,
            preexec_fn=partial(_prepare_worker, os.getpid(), _libc()),  # the parent has no threads
        )
        self._children[child.pid] = child
        self._places[child.pid] = place
        return child.pid

    def _reap(self) -> None:
        for pid, child in list(self._children.items()):
            if child.poll() is None:
                continue
            del self._children[pid]
            place = self._places.pop(pid)
            counters.clear(self._limits, place)  # what it had under way counts against nobody any more
            for gauge in self._shared.glob(f"gauge_live*_{pid}.db"):
                gauge.unlink()  # what prometheus-client's `mark_process_dead` does, without importing it
            if self._stopping or (self._leaving is not None and pid == self._leaving[0]):
                continue
            if self._fresh is not None and pid == self._fresh.pid:
                continue  # `_roll` reads that it never got ready
            if pid in self._to_replace:
                self._to_replace.remove(pid)
            _say(f"worker {pid} ended with {child.returncode}; starting another")
            self._start(place)

    def _tell(self, number: int) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(number)


class _Fresh(NamedTuple):
    """A new worker that is to take an old one's work."""

    pid: int
    reads: int
    """The end of a pipe on which it says that it takes requests."""
    until_s: float

    def word(self) -> bytes | None:
        """What it said; nothing when it ended before, None while it may still get ready."""
        try:
            return os.read(self.reads, 1)
        except BlockingIOError:
            return None


def _say(words: str) -> None:
    print(words, file=sys.stderr)  # noqa: T201 - the parent has no log of its own


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
