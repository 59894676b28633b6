"""One file of the journal: framed records, appended whole, read back up to the first torn one.

    file   = "PSLJRNL1" marker(8 random bytes) frame* zero*
    frame  = marker length(u32 LE) crc32(u32 LE, over length and payload) payload

The file is allocated whole and mapped shared, so a record copied into it belongs to the kernel's page cache
at once: it survives `kill -9` of this process (not the loss of power: that is what the database's own sync
is for). A copy, unlike a write, does not let go of the interpreter's lock, which on a busy worker costs the
request far more than the call itself. A process killed inside the copy may leave a torn last frame, which
nobody was told about; reading drops it. After damage in the middle, reading goes on at the next marker: it
is random per file, so a prompt stored in a record cannot forge a frame. Space is reserved before it is
mapped, so a full disk is an error at a clear place and never a signal.

The descriptor is locked (`flock`) as long as its process lives. The lock, not the name, says whether a
file is a leftover.
"""

import contextlib
import fcntl
import functools
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from passerelle.store.errors import StoreUnavailable

SUFFIX = ".journal"
MAX_RECORD_BYTES = 64 << 20
"""A record beyond this is refused when written and taken for damage when read."""

DEFAULT_BYTES = 256 << 10
"""What a fresh file reserves: it doubles as it fills. All of it counts as memory of the process."""

_PAGE = mmap.PAGESIZE
# Linux maps all pages at once, a fraction of the cost of one fault for each page on the way.
_POPULATE = getattr(mmap, "MAP_POPULATE", 0)
_MAGIC = b"PSLJRNL1"
_MARKER_SIZE = 8
_HEAD_SIZE = len(_MAGIC) + _MARKER_SIZE
_FRAME = struct.Struct("<8sII")
_LENGTH = struct.Struct("<I")


class Segment:
    """A journal file open for appending, locked by this process."""

    def __init__(self, path: Path, handle: int, marker: bytes, mapped: mmap.mmap) -> None:
        self.path = path
        self.size = _HEAD_SIZE
        self._handle = handle
        self._marker = marker
        self._map = mapped
        self._capacity = len(mapped)

    @classmethod
    def create(cls, path: Path, capacity: int = DEFAULT_BYTES) -> "Segment":
        """A fresh file, locked before it becomes visible under its name. Raises `StoreUnavailable`."""
        draft = path.with_suffix(".draft")
        marker = os.urandom(_MARKER_SIZE)
        try:
            handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _reserve(handle, 0, capacity)
                mapped = mmap.mmap(handle, capacity, flags=mmap.MAP_SHARED | _POPULATE)
                mapped[:_HEAD_SIZE] = _MAGIC + marker
                draft.rename(path)
            except OSError:
                os.close(handle)
                draft.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StoreUnavailable(
                f"cannot create the journal `{path}`: {error.strerror}; free the disk or fix its permissions"
            ) from error
        return cls(path, handle, marker, mapped)

    def append(self, payload: bytes) -> None:
        """Hand one record to the kernel. Raises `StoreUnavailable`, leaving the file as it was."""
        length = len(payload)
        if length > MAX_RECORD_BYTES:
            raise StoreUnavailable(
                f"a record of {length} bytes is above the journal's limit of {MAX_RECORD_BYTES}; "
                "store less content with it"
            )
        frame = _FRAME.pack(self._marker, length, crc32(payload, _crc_of(length))) + payload
        end = self.size + _FRAME.size + length
        if end > self._capacity:
            if self._handle < 0:
                raise StoreUnavailable("the store is closed; ask another instance")
            self._grow(end)
        self._map[self.size : end] = frame
        self.size = end

    def make_room(self, size: int) -> None:
        """See to it that `size` bytes more can be appended. Raises `StoreUnavailable`."""
        end = self.size + _FRAME.size + size
        if end > self._capacity and self._handle >= 0:
            self._grow(end)

    def _grow(self, needed: int) -> None:
        capacity = max(2 * self._capacity, -(-needed // _PAGE) * _PAGE)
        try:
            _reserve(self._handle, self._capacity, capacity)
            mapped = mmap.mmap(self._handle, capacity, flags=mmap.MAP_SHARED | _POPULATE)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot write the journal `{self.path}`: {error.strerror}; free the disk"
            ) from error
        self._map.close()
        self._map = mapped
        self._capacity = capacity

    def close(self, *, delete: bool) -> None:
        """Let go of the file, once. Deleting while the lock is held leaves nothing to recover."""
        if self._handle < 0:
            return
        if delete:
            with contextlib.suppress(OSError):  # then the next start finds it and books nothing new
                self.path.unlink(missing_ok=True)
        self._map.close()
        if not delete:
            with contextlib.suppress(OSError):  # the zeros at the end are harmless, only large
                os.ftruncate(self._handle, self.size)
        os.close(self._handle)
        self._handle = -1
        self._capacity = 0  # so that an append finds no room, and says why


class Leftover(NamedTuple):
    """What a journal file held."""

    payloads: tuple[bytes, ...]
    torn_bytes: int
    """Bytes at the end that are no whole record: written by a process killed on the way."""
    damaged_bytes: int
    """Bytes between whole records that are none: the disk, not a crash."""


@contextlib.contextmanager
def claim(path: Path) -> Iterator[int | None]:
    """The descriptor of a leftover file, locked by us for the duration; None when its owner is alive
    or another process has claimed or removed it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield handle if os.fstat(handle).st_nlink else None
    finally:
        os.close(handle)


def read(handle: int) -> Leftover:
    """Every whole record of a file, in order."""
    size = os.fstat(handle).st_size
    data = os.pread(handle, size, 0)
    return parse(data)


def parse(data: bytes) -> Leftover:
    """Every whole record in a file's bytes, in order."""
    if len(data) < _HEAD_SIZE or not data.startswith(_MAGIC):
        return Leftover((), len(data.rstrip(b"\0")), 0)
    marker = data[len(_MAGIC) : _HEAD_SIZE]
    payloads: list[bytes] = []
    position = good = _HEAD_SIZE
    damaged = 0
    while (start := data.find(marker, position)) >= 0:
        payload = _payload_at(data, start)
        if payload is None:
            position = start + 1
            continue
        damaged += start - good
        payloads.append(payload)
        position = good = start + _FRAME.size + len(payload)
    return Leftover(tuple(payloads), len(data[good:].rstrip(b"\0")), damaged)


def _reserve(handle: int, start: int, end: int) -> None:
    """Give the file real space up to `end`: writing to a mapped hole of a full disk would be a signal."""
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is not None:
        allocate(handle, start, end - start)
        return
    while start < end:  # macOS has no such call
        start += os.pwrite(handle, bytes(min(end - start, 1 << 20)), start)


@functools.lru_cache(maxsize=4096)
def _crc_of(length: int) -> int:
    """What a frame's checksum begins with: the lengths of records repeat."""
    return crc32(_LENGTH.pack(length))


def _payload_at(data: bytes, start: int) -> bytes | None:
    if start + _FRAME.size > len(data):
        return None
    _, length, checksum = _FRAME.unpack_from(data, start)
    end = start + _FRAME.size + length
    if length > MAX_RECORD_BYTES or end > len(data):
        return None
    payload = data[start + _FRAME.size : end]
    return payload if crc32(payload, _crc_of(length)) == checksum else None
