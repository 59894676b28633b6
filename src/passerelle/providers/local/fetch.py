"""A GGUF of the operator's own: checked where it lies, or fetched from a URL and pinned by hash.

Model hubs answer a file's address with a redirect to their storage. Here, and only here, redirects are
followed: at most five, to `https` only, with no credential and no cookie, to public addresses; and what
arrives counts only if it has the SHA-256 the operator gave. An interrupted transfer goes on where it stopped.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from passerelle.providers.base import Deadlines, Reply, SendError
from passerelle.providers.http import HttpClient, Origin, parse_origin
from passerelle.providers.local.install import (
    Installed,
    InstallError,
    Progress,
    Report,
    sha256_of,
    silent,
)
from passerelle.providers.remote import HttpSender

MAX_REDIRECTS = 5
MAX_SILENCE_S = 60.0
"""Between two pieces of the file."""
TOTAL_S = 24 * 3600.0

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.gguf")
_REPORT_BYTES = 1 << 20

ClientFor = Callable[[Origin], HttpSender]


def check_gguf(path: Path, *, sha256: str | None = None, report: Report = silent) -> Installed:
    """The facts of a weights file. Raises `InstallError` when it is no GGUF, or not the one that was meant.

    A GGUF begins with the four letters of its name (github.com/ggml-org/ggml, docs/gguf.md).
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        found = sha256_of(path, report)
        size = path.stat().st_size
    except OSError as error:
        raise InstallError(
            f"`{path}` cannot be read ({error.strerror})", "give the path of a GGUF file this user can read"
        ) from error
    if magic != b"GGUF":
        raise InstallError(f"`{path}` is not a GGUF file", "convert the weights with llama.cpp's tools first")
    if sha256 is not None and found != sha256.lower():
        raise InstallError(
            f"`{path}` is not the file that was meant (its SHA-256 is {found})",
            "fetch it again from its source",
        )
    return Installed(path, path.stem.lower(), size, found, fresh=False)


def _public_client(origin: Origin) -> HttpSender:
    return HttpClient(origin)


async def fetch(
    url: str,
    *,
    sha256: str,
    data_dir: Path,
    report: Report = silent,
    client_for: ClientFor = _public_client,
) -> Installed:
    """The file at `url` under `data_dir/models/`. Safe to repeat and to interrupt. Raises `InstallError`."""
    wanted = sha256.lower()
    if not _SHA256.fullmatch(wanted):
        raise InstallError(
            "a SHA-256 of 64 hex digits is needed", "take it from where the file is published, and give it"
        )
    name = urlsplit(url).path.rpartition("/")[2]
    if not _NAME.fullmatch(name):
        raise InstallError(
            f"`{url[:200]}` does not end in the name of a GGUF file", "give the file's own URL"
        )
    folder = data_dir / "models"
    folder.mkdir(parents=True, exist_ok=True)
    final, partial = folder / name, folder / f".{name}.part"
    if final.is_file() and sha256_of(final, report) == wanted:
        return Installed(final, final.stem.lower(), final.stat().st_size, wanted, fresh=False)
    try:
        await _transfer(url, partial, report, client_for)
    except SendError as error:
        raise InstallError(
            f"`{name}` could not be fetched: {error.message}", "try again: it goes on where it stopped"
        ) from error
    try:
        facts = check_gguf(partial, sha256=wanted, report=report)
    except InstallError:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(final)
    return Installed(final, final.stem.lower(), facts.size_bytes, wanted, fresh=True)


async def _transfer(url: str, partial: Path, report: Report, client_for: ClientFor) -> None:
    for _ in range(MAX_REDIRECTS + 1):
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise InstallError(f"`{parts.scheme}://{parts.netloc}` is not https", "give an `https://` URL")
        try:
            origin, _path = parse_origin(f"https://{parts.netloc}")
        except ValueError as error:
            raise InstallError(str(error), "correct the URL") from None
        client = client_for(origin)
        try:
            have = _size_of(partial)
            reply = await client.request(
                "GET",
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                [(b"range", b"bytes=%d-" % have)] if have else [],
                b"",
                deadlines=Deadlines(),
                remaining_s=TOTAL_S,
            )
            try:
                if reply.status in (301, 302, 303, 307, 308) and "location" in reply.headers:
                    url = urljoin(url, reply.headers["location"])
                    continue
                if reply.status == 416:  # nothing is missing
                    return
                if reply.status not in (200, 206):
                    raise InstallError(
                        f"`{origin}` answered {reply.status} for `{partial.name[1:-5]}`",
                        "check the URL, and that the file is public",
                    )
                await _save(reply, partial, have if reply.status == 206 else 0, report)
                return
            finally:
                await reply.aclose()
        finally:
            await client.aclose()
    raise InstallError("the URL leads from one redirect to the next", "give the file's own URL")


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _save(reply: Reply, partial: Path, have: int, report: Report) -> None:
    length = reply.headers.get("content-length", "")
    total = have + int(length) if length.isdigit() else None
    loop = asyncio.get_running_loop()
    reply.set_deadline(loop.time() + MAX_SILENCE_S)
    done = said = have
    with partial.open("ab" if have else "wb") as out:
        async for chunk in reply:
            out.write(chunk)
            done += len(chunk)
            if done - said >= _REPORT_BYTES:
                said = done
                report(Progress("download", done, total))
            reply.set_deadline(loop.time() + MAX_SILENCE_S)
    report(Progress("download", done, total))
