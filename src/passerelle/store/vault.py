"""Contents of kept files, on disk beside the database: sealed under their tenant's key, written whole or not.

A file is a head and chunks of AES-256-GCM. A chunk's nonce is the file's random prefix, the chunk's number
and whether it is the last, so chunks can be neither moved, dropped nor cut off unnoticed: the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance" (CRYPTO 2015). Tenant and file id are additional data. Destroying a tenant's content keys
(`Contents.shred`) makes its files unreadable, like everything else it stored.

Names on disk are our own ids; nothing a caller says is ever part of a path. Every call blocks: use a thread.
"""

import os
import re
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from passerelle.store.database import Database
from passerelle.store.errors import StoreUnavailable
from passerelle.store.files import private_directory, sync_directory
from passerelle.store.sealing import Sealer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK = 256 << 10
"""Plain bytes of a chunk; the last one has fewer, or none."""
_MAGIC = b"PSV1"
_HEAD = struct.Struct(">4sI7s")
_NONCE = struct.Struct(">7sIB")
_TAG = 16
_ID = re.compile(r"[a-z]+[-_][0-9A-Z]{26}")
_DRAFT = ".draft"
_DRAFT_AGE_S = 86_400
_HELD_CHUNKS = 16


class ContentGone(Exception):
    """The content is not here, or its tenant's key was destroyed."""


class Draft:
    """A file in the making. `keep` makes it one; `drop` (or a crash) leaves nothing that anybody sees."""

    def __init__(self, path: Path, key: "AESGCM", version: int, bound_to: bytes) -> None:
        self.size_bytes = 0
        """Plain bytes written."""
        self._final = path
        self._path = path.with_name(f"{path.name}.{os.urandom(4).hex()}{_DRAFT}")
        self._key = key
        self._bound_to = bound_to
        self._prefix = os.urandom(7)
        self._number = 0
        self._held = bytearray()
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file: BinaryIO = os.fdopen(handle, "wb", buffering=0)
        self._file.write(_HEAD.pack(_MAGIC, version, self._prefix))

    def write(self, data: bytes) -> None:
        """More of it. Raises `StoreUnavailable` when the disk refuses."""
        self.size_bytes += len(data)
        self._held += data
        while len(self._held) > CHUNK:  # the last chunk is never written before `keep` knows that it is
            self._seal(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]

    def keep(self) -> None:
        """Make it a file, on disk when this returns. Raises `StoreUnavailable`."""
        try:
            self._seal(bytes(self._held), last=True)
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(self._final)
            sync_directory(self._final.parent)
        except OSError as error:
            raise _refused(error) from error

    def drop(self) -> None:
        """Forget it; does nothing once it is kept."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _seal(self, plain: bytes, *, last: bool) -> None:
        nonce = _NONCE.pack(self._prefix, self._number, last)
        self._number += 1
        try:
            self._file.write(self._key.encrypt(nonce, plain, self._bound_to))
        except OSError as error:
            raise _refused(error) from error


class Pages:
    """A kept file that is read here and there: a few of its chunks are held, as they were last wanted."""

    def __init__(self, handle: BinaryIO, key: "AESGCM", prefix: bytes, bound_to: bytes) -> None:
        self._handle = handle
        self._key = key
        self._prefix = prefix
        self._bound_to = bound_to
        sealed = os.fstat(handle.fileno()).st_size - _HEAD.size
        self._last = max(0, -(-sealed // (CHUNK + _TAG)) - 1)
        self._held: dict[int, bytes] = {}

    def read(self, start: int, end: int) -> bytes:
        """The plain bytes from `start` up to `end`. Raises `ContentGone` for what was changed on disk."""
        pieces = [self._chunk(number) for number in range(start // CHUNK, -(-end // CHUNK))]
        if not pieces:
            return b""
        skip = start % CHUNK
        return b"".join(pieces)[skip : skip + end - start]

    def close(self) -> None:
        """Idempotent."""
        self._held.clear()
        self._handle.close()

    def _chunk(self, number: int) -> bytes:
        from cryptography.exceptions import InvalidTag

        held = self._held.pop(number, None)
        if held is None:
            self._handle.seek(_HEAD.size + number * (CHUNK + _TAG))
            sealed = self._handle.read(CHUNK + _TAG)
            nonce = _NONCE.pack(self._prefix, number, number == self._last)
            try:
                held = self._key.decrypt(nonce, sealed, self._bound_to)
            except InvalidTag as error:
                raise ContentGone("the content cannot be opened") from error
            if len(self._held) >= _HELD_CHUNKS:
                del self._held[next(iter(self._held))]
        self._held[number] = held
        return held


class Vault:
    """The folder of one installation's files."""

    def __init__(self, directory: Path, database: Database, sealer: Sealer) -> None:
        self._directory = directory
        self._database = database
        self._sealer = sealer

    def draft(self, org_id: str, file_id: str) -> Draft:
        """Begin a file. Raises `StoreUnavailable`."""
        with self._database.write() as connection:
            version, key = self._sealer.newest(connection, org_id)
        try:
            path = self._path(file_id)
            private_directory(path.parent)
            return Draft(path, key, version, _bound_to(org_id, file_id))
        except OSError as error:
            raise _refused(error) from error

    def has(self, file_id: str) -> bool:
        """Whether its content lies on this machine."""
        return self._path(file_id).exists()

    def read(self, org_id: str, file_id: str) -> Iterator[bytes]:
        """Its bytes, a chunk at a time. Raises `ContentGone`, also for what was changed on disk."""
        from cryptography.exceptions import InvalidTag

        handle, key, prefix = self._opened(org_id, file_id)
        with handle:
            bound_to = _bound_to(org_id, file_id)
            number, sealed = 0, handle.read(CHUNK + _TAG)
            while True:
                following = handle.read(CHUNK + _TAG)
                nonce = _NONCE.pack(prefix, number, not following)
                try:
                    plain = key.decrypt(nonce, sealed, bound_to)
                except InvalidTag as error:
                    raise ContentGone(f"the content of `{file_id}` cannot be opened") from error
                yield plain
                if not following:
                    return
                number, sealed = number + 1, following

    def open(self, org_id: str, file_id: str) -> "Pages":
        """The file, to be read anywhere. Raises `ContentGone`. To be closed."""
        handle, key, prefix = self._opened(org_id, file_id)
        return Pages(handle, key, prefix, _bound_to(org_id, file_id))

    def remove(self, file_id: str) -> None:
        """Delete its content; nothing happens when there is none."""
        self._path(file_id).unlink(missing_ok=True)

    def sweep(self, known: Callable[[Sequence[str]], set[str]]) -> int:
        """Delete drafts that were given up and contents that no row names any more; how many.

        `known(ids)` says which of these have a row. Only what is a day old is looked at: a row comes after
        its content.
        """
        old_before, gone = time.time() - _DRAFT_AGE_S, 0
        if not self._directory.is_dir():
            return 0
        for folder in sorted(self._directory.iterdir()):
            old = [path for path in folder.iterdir() if path.stat().st_mtime < old_before]
            kept = known([path.name for path in old if path.suffix != _DRAFT])
            for path in old:
                if path.name not in kept:
                    path.unlink(missing_ok=True)
                    gone += 1
        return gone

    def _opened(self, org_id: str, file_id: str) -> "tuple[BinaryIO, AESGCM, bytes]":
        try:
            handle = self._path(file_id).open("rb")
        except OSError as error:
            raise ContentGone(f"the content of `{file_id}` is not on this machine") from error
        try:
            magic, version, prefix = _HEAD.unpack(handle.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
            with self._database.read() as connection:
                key = self._sealer.key(connection, org_id, version) if magic == _MAGIC else None
            if key is None:
                raise ContentGone(f"the key that `{file_id}` was sealed under has been destroyed")
        except BaseException:
            handle.close()
            raise
        return handle, key, prefix

    def _path(self, file_id: str) -> Path:
        if not _ID.fullmatch(file_id):
            raise ContentGone(f"`{file_id[:64]}` is no id of ours")
        return self._directory / file_id[-2:] / file_id


def _bound_to(org_id: str, file_id: str) -> bytes:
    return f"{org_id}\0{file_id}".encode()


def _refused(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the disk refused a file: {error.strerror}; make room under the data directory")
