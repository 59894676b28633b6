"""Where the health of deployments is kept: memory that the workers of one host share, or this process's own.

All of it is 8-byte words, made by the parent without a name and inherited by its workers:

    version   how often anything below changed that others must see; and how many records are in use
    records   per deployment: its name's fingerprint, whether anything is wrong there, its paces, its `Vital`
    worker 0  per deployment: answers and failures in all, and by bucket of time; only worker 0 writes here
              per (tenant, deployment): requests and retries by bucket of time
    worker 1  …
    talks     where conversations are: see `whereabouts`

A worker counts its successes for itself and adds them to its own words once a second: that needs no lock.
What changes a `Vital` (a failure, or the success after one) is rare: the record is locked by one byte of the
file (POSIX record locks), which the kernel lets go for a worker that dies. Monotonic clocks are those of the
host, so times mean the same in every worker. What a dead worker counted did happen, and stays.
"""

import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Literal, get_args

from passerelle.core.errors import FailureKind
from passerelle.router.health import CIRCUITS, Breaker, Tally, Told, Vital

_HEAD = 8
_VERSION, _USED = 0, 1
_SLOTS = 1 << 16
"""Deployments that have room, more than any catalogue we know of has: what nobody uses takes no memory.
Beyond that, what is well and was so longest gives way.
"""
_FINGERPRINT, _TROUBLED, _FIRST, _WHOLE, _SPEED, _VITAL = 0, 1, 2, 3, 4, 6
_BREAKER_WORDS = 6
_RECORD = _VITAL + 8 + len(CIRCUITS) * _BREAKER_WORDS
_BUCKETS = 24
_OK, _BAD, _SHED = 1, 2, 3
_TALLY = 2 + _BUCKETS * 4
_CELLS = 8192
"""For retries: a name's cell is its hash, and two names may share one."""
_CELL_BUCKETS = 5
_CELL = _CELL_BUCKETS * 3
_RECORDS_END = _HEAD + _SLOTS * _RECORD
_WORKER = _SLOTS * _TALLY + _CELLS * _CELL
TALKS = 1 << 15
TALK = 4
"""Words of one conversation: its name, its place's, when, and how much of a prompt it had."""
_TALKS = TALKS * TALK
_SMOOTHING = 0.2
Pace = Literal["first", "whole", "speed"]
_PACES: dict[Pace, int] = {"first": _FIRST, "whole": _WHOLE, "speed": _SPEED}
_KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
_TOLD: tuple[Told, ...] = get_args(Told)


class Charts:
    """One worker's hand on the memory."""

    def __init__(self, fd: int | None = None, place: int = 0) -> None:
        """`fd` is what `create` gave, `place` counts this parent's workers from 0. Without: one worker."""
        self._fd = fd
        size = (_RECORDS_END + _WORKER + _TALKS) * 8 if fd is None else os.fstat(fd).st_size
        memory = memoryview(mmap.mmap(-1 if fd is None else fd, size))
        self.words = memory.cast("Q")
        """For reading: word 0 is different after every change of a `Vital`, whichever worker made it."""
        self._reals = memory.cast("d")
        talks = size // 8 - _TALKS
        self.talks = self.words[talks:], self._reals[talks:]
        """The same words, as whole numbers and as reals."""
        workers = (talks - _RECORDS_END) // _WORKER
        self._workers = [_RECORDS_END + worker * _WORKER for worker in range(workers)]
        self._mine = self._workers[place]
        self._slots: dict[str, int] = {}
        self._marks: dict[int, int] = {}
        """Fingerprint → slot, of the records that were in use when a name was last looked for."""

    def slot(self, name: str) -> int:
        """Where a deployment is kept."""
        slot = self._slots.get(name)
        if slot is None:
            slot = self._slots[name] = self._find(name)
        return slot

    @staticmethod
    def troubled_at(slot: int) -> int:
        """The word that is not 0 while a success there has anything to put right."""
        return _HEAD + slot * _RECORD + _TROUBLED

    # --- what this worker counted: own words, no lock

    def count(self, slot: int, bucket: int, *, ok: int = 0, bad: int = 0, shed: int = 0) -> None:
        """Add outcomes to a bucket: answers, failures, requests that were not sent there."""
        words, at = self.words, self._mine + slot * _TALLY
        ring = at + 2 + bucket % _BUCKETS * 4
        if words[ring] != bucket:
            words[ring] = bucket
            words[ring + 1] = words[ring + 2] = words[ring + 3] = 0
        words[at] += ok
        words[at + 1] += bad
        words[ring + _OK] += ok
        words[ring + _BAD] += bad
        words[ring + _SHED] += shed

    def pace(self, slot: int, which: Pace, mean: float, count: int) -> None:
        """Smooth in `count` answers of that mean. Two workers may do so at once, and what one did be lost: it
        is an average.
        """
        reals, at = self._reals, _HEAD + slot * _RECORD + _PACES[which]
        before = reals[at]
        reals[at] = mean if before == 0.0 else mean + (before - mean) * (1 - _SMOOTHING) ** count

    # --- what is read when something is wrong, or a person asks

    def tally(self, slot: int, first: int, last: int) -> Tally:
        """Outcomes of the buckets `first` to `last`, of all workers."""
        words = self.words
        ok = bad = shed = 0
        for worker in self._workers:
            start = worker + slot * _TALLY + 2
            for ring in range(start, start + _BUCKETS * 4, 4):
                if first <= words[ring] <= last:
                    ok += words[ring + _OK]
                    bad += words[ring + _BAD]
                    shed += words[ring + _SHED]
        return Tally(ok, bad, shed)

    def totals(self, slot: int) -> tuple[int, int]:
        """Answers and failures since the parent started."""
        words, tallies = self.words, [worker + slot * _TALLY for worker in self._workers]
        return sum([words[at] for at in tallies]), sum([words[at + 1] for at in tallies])

    def paces(self, slot: int) -> tuple[float, float, float]:
        """Smoothed: seconds to the first content, seconds of a whole answer, output tokens a second; 0 where
        it is unknown.
        """
        at = _HEAD + slot * _RECORD
        return self._reals[at + _FIRST], self._reals[at + _WHOLE], self._reals[at + _SPEED]

    def last_failure_s(self, slot: int) -> float:
        """When a failure last spoke against it; 0: none did."""
        return self._reals[_HEAD + slot * _RECORD + _VITAL + 4]

    def read(self, slot: int) -> Vital:
        """A copy of what is known."""
        with self._locked(slot):
            return _decode(self._values(slot))

    @contextmanager
    def change(self, slot: int) -> Iterator[Vital]:
        """What is known, nobody else's until the end of the block; what it is then is kept."""
        with self._locked(slot):
            before = self._values(slot)
            vital = _decode(before)
            yield vital
            after = _encode(vital)
            if after == before:
                return  # who only looked
            at = _HEAD + slot * _RECORD
            for number, value in enumerate(after):
                self._reals[at + _VITAL + number] = value
            self.words[at + _TROUBLED] = int(vital.troubled)
            # Two workers at once may add one together: who reads after either sees what both wrote before it.
            self.words[_VERSION] += 1

    # --- retries

    def asked(self, cell: int, bucket: int, *, requests: int = 0, retries: int = 0) -> None:
        """Count requests of a (tenant, deployment), and those that are asked again."""
        words, ring = self.words, self._mine + _SLOTS * _TALLY + cell * _CELL + bucket % _CELL_BUCKETS * 3
        if words[ring] != bucket:
            words[ring] = bucket
            words[ring + 1] = words[ring + 2] = 0
        words[ring + 1] += requests
        words[ring + 2] += retries

    def asked_lately(self, cell: int, first: int, last: int) -> tuple[int, int]:
        """Requests and retries of the buckets `first` to `last`, of all workers."""
        words = self.words
        requests = retries = 0
        for worker in self._workers:
            start = worker + _SLOTS * _TALLY + cell * _CELL
            for ring in range(start, start + _CELL, 3):
                if first <= words[ring] <= last:
                    requests += words[ring + 1]
                    retries += words[ring + 2]
        return requests, retries

    # --- the record

    def _find(self, name: str) -> int:
        """The name's slot, or one that it takes: a fresh one, else the one whose last failure is the longest
        ago and put right.
        """
        mark, words = fingerprint(name), self.words
        with self._locked(_SLOTS):  # one lock for all that take a slot
            used, marks = words[_USED], self._marks
            if used == _SLOTS:  # a record may have become another's meanwhile
                marks.clear()
            for slot in range(len(marks), used):
                marks[words[_HEAD + slot * _RECORD]] = slot
            if mark in marks:
                return marks[mark]
            if used < _SLOTS:
                words[_USED] = used + 1
                words[_HEAD + used * _RECORD] = mark
                return used
            slot = min(range(used), key=lambda s: (words[self.troubled_at(s)] != 0, self.last_failure_s(s)))
            starts = [
                (_HEAD + slot * _RECORD, _RECORD),
                *((w + slot * _TALLY, _TALLY) for w in self._workers),
            ]
            for start, length in starts:
                for word in range(start, start + length):
                    words[word] = 0
            words[_HEAD + slot * _RECORD] = mark
            return slot

    @contextmanager
    def _locked(self, slot: int) -> Iterator[None]:
        if self._fd is None:
            yield
            return
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, slot)
        try:
            yield
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, slot)

    def _values(self, slot: int) -> list[float]:
        at = _HEAD + slot * _RECORD
        return list(self._reals[at + _VITAL : at + _RECORD])


def _decode(values: list[float]) -> Vital:
    vital = Vital(
        told=_TOLD[int(values[0])],
        told_at_s=values[1],
        told_until_s=values[2],
        probe_until_s=values[3],
        failed_s=values[4],
        counted_from_s=values[5],
        alarmed_s=values[6],
        last=_kind(values[7]),
    )
    for number, circuit in enumerate(CIRCUITS):
        start = 8 + number * _BREAKER_WORDS
        failures, openings, opened_s, until_s, probe_at_s, last = values[start : start + _BREAKER_WORDS]
        vital.breakers[circuit] = Breaker(
            int(failures), int(openings), opened_s, until_s, probe_at_s, _kind(last)
        )
    return vital


def _encode(vital: Vital) -> list[float]:
    values: list[float] = [
        _TOLD.index(vital.told), vital.told_at_s, vital.told_until_s, vital.probe_until_s,
        vital.failed_s, vital.counted_from_s, vital.alarmed_s, _number(vital.last),
    ]  # fmt: skip
    for circuit in CIRCUITS:
        breaker = vital.breakers[circuit]
        values += (
            breaker.failures, breaker.openings, breaker.opened_s, breaker.until_s, breaker.probe_at_s,
            _number(breaker.last),
        )  # fmt: skip
    return values


def _number(kind: FailureKind | None) -> int:
    return 0 if kind is None else _KINDS.index(kind) + 1


def _kind(number: float) -> FailureKind | None:
    return _KINDS[int(number) - 1] if number else None


def cell_of(name: str) -> int:
    """The cell in which retries of a (tenant, deployment) are counted."""
    return fingerprint(name) % _CELLS


def create(workers: int) -> int:
    """A file descriptor of fresh memory for so many workers. For the parent, which passes it on. Only what is
    touched of it takes memory.
    """
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("passerelle-health")
    else:  # not Linux: a file that is deleted at once
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, (_RECORDS_END + workers * _WORKER + _TALKS) * 8)
    return fd


def fingerprint(name: str) -> int:
    """A name as a word that is not 0."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) or 1
