"""Where the counters of limits live: in this process, or in memory that the workers of one host share.

Both kinds hold the same three numbers per name (a key, or a deployment): when its requests and its tokens a
minute are whole again, and how many requests are under way. A name is locked, read, written and unlocked.

The shared memory is a file without a name, made by the parent and inherited by its workers:

    slots   name's fingerprint, requests, tokens         8 bytes each; 16 slots to a bucket, found by hash
    counts  worker 0: under way, one number per slot     4 bytes each; only worker 0 writes here
            worker 1: …                                  so the parent may clear a dead worker's

A bucket is locked by one byte of the file (POSIX record locks): two system calls, and the kernel lets go for
a worker that dies. A slot can be given to another name when nothing is under way there, first of all when its
minutes are whole: it then says nothing that an empty slot does not say.
"""

import fcntl
import mmap
import os
import struct
import tempfile
from hashlib import blake2b

from passerelle.core.errors import Problem, ProblemError

Record = list[int]
"""Unix nanoseconds at which requests, then tokens, are whole again; requests under way."""

_BUCKETS = 4096
_WAYS = 16
_SLOTS = _BUCKETS * _WAYS
_SLOT = struct.Struct("=QQQ")
_MINUTES = struct.Struct("=QQ")
_COUNT = struct.Struct("=I")
_SLOTS_BYTES = _SLOTS * _SLOT.size
_COUNTS_BYTES = _SLOTS * _COUNT.size
_REMEMBERED = 200_000
"""Names whose place is known here."""


class OwnCounters:
    """Counters of the only worker: plain memory, nothing to lock."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        """By name. A record is changed in place."""

    def record(self, name: str, now_ns: int) -> Record:
        """A fresh record for a name that has none."""
        if len(self.records) >= _REMEMBERED:
            # Whose minutes are whole, with nothing under way, says nothing any more.
            self.records = {n: r for n, r in self.records.items() if r[2] or max(r[0], r[1]) > now_ns}
        fresh = self.records[name] = [0, 0, 0]
        return fresh


class SharedCounters:
    """Counters of several workers of one host. One per worker, over the parent's file."""

    def __init__(self, fd: int, place: int) -> None:
        """`fd` is what `create` gave; `place` counts this parent's workers from 0."""
        self._fd = fd
        size = os.fstat(fd).st_size
        self._memory = mmap.mmap(fd, size)
        workers = (size - _SLOTS_BYTES) // _COUNTS_BYTES
        self._counts = [_SLOTS_BYTES + worker * _COUNTS_BYTES for worker in range(workers)]
        self._mine = self._counts[place]
        self._known: dict[str, tuple[int, int]] = {}
        """Name → its fingerprint, and the slot it had last."""

    def lock(self, name: str, now_ns: int) -> int:
        """The name's slot, which nobody else reads or writes until `unlock`. Raises `ProblemError`
        (`overloaded`) when there is no room for another name.
        """
        known = self._known.get(name)
        if known is None:
            fingerprint = int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) or 1
            known = fingerprint, fingerprint % _BUCKETS * _WAYS
        fingerprint, slot = known
        bucket = slot // _WAYS
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, bucket)
        try:
            if _SLOT.unpack_from(self._memory, slot * _SLOT.size)[0] != fingerprint:
                slot = self._find(fingerprint, bucket, now_ns)
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[name] = fingerprint, slot
        except BaseException:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, bucket)
            raise
        return slot

    def unlock(self, slot: int) -> None:
        """Let go of it."""
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, slot // _WAYS)

    def read(self, slot: int) -> Record:
        """What a locked slot says, of all workers."""
        _, requests_ns, tokens_ns = _SLOT.unpack_from(self._memory, slot * _SLOT.size)
        return [requests_ns, tokens_ns, self._under_way(slot)]

    def write(self, slot: int, requests_ns: int, tokens_ns: int, more: int) -> None:
        """Put the minutes in a locked slot, and `more` (1, 0, -1) requests under way in this worker."""
        _MINUTES.pack_into(self._memory, slot * _SLOT.size + 8, requests_ns, tokens_ns)
        if more:
            at = self._mine + slot * _COUNT.size
            _COUNT.pack_into(self._memory, at, _COUNT.unpack_from(self._memory, at)[0] + more)

    def _under_way(self, slot: int) -> int:
        at = slot * _COUNT.size
        return sum([_COUNT.unpack_from(self._memory, worker + at)[0] for worker in self._counts])

    def _find(self, fingerprint: int, bucket: int, now_ns: int) -> int:
        """The name's slot in its locked bucket, taking one that says nothing if it has none."""
        free, whole_ns = None, 0
        for slot in range(bucket * _WAYS, (bucket + 1) * _WAYS):
            found, requests_ns, tokens_ns = _SLOT.unpack_from(self._memory, slot * _SLOT.size)
            if found == fingerprint:
                return slot
            late_ns = max(requests_ns, tokens_ns, now_ns)
            if (free is None or late_ns < whole_ns) and not self._under_way(slot):
                free, whole_ns = slot, late_ns
        if free is None:
            raise ProblemError(
                Problem(
                    "overloaded", "Too many limits are in use at once; try again shortly.", retry_after_s=1
                )
            )
        _SLOT.pack_into(self._memory, free * _SLOT.size, fingerprint, 0, 0)
        return free


def create(workers: int) -> int:
    """A file descriptor of fresh shared memory for so many workers. For the parent, which passes it on."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("passerelle-limits")
    else:  # not Linux: a file that is deleted at once
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, _SLOTS_BYTES + workers * _COUNTS_BYTES)
    return fd


def clear(fd: int, place: int) -> None:
    """The worker at `place` is dead: nothing is under way there any more. Before another takes its place."""
    start = _SLOTS_BYTES + place * _COUNTS_BYTES
    os.pwrite(fd, bytes(_COUNTS_BYTES), start)
