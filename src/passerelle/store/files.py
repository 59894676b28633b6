"""Private files: created once by whoever comes first, replaced whole, readable by the owner alone."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path


def private_directory(path: Path) -> Path:
    """The directory, created with mode 0700 when absent."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def create_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """The file's content; `make()`'s, written with mode 0600, when there is none yet.

    When several processes start together, one content wins and all return it.
    """
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    draft = _draft(path, make())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    sync_directory(path.parent)
    return path.read_bytes()


def replace(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write the file so that a reader sees the old content or the new, never a part."""
    draft = _draft(path, content, mode)
    draft.replace(path)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an advisory lock on `path` (created when absent) against other processes and threads."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _draft(path: Path, content: bytes, mode: int = 0o600) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft


def sync_directory(path: Path) -> None:
    """Have the directory's entries on disk when this returns."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
