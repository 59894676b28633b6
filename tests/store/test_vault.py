"""Contents of files: whole or not at all, sealed, bound to their tenant and their name."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.world import StillClock, a_tenant, open_at

from passerelle.core.batch import KeptFile
from passerelle.core.clock import mint
from passerelle.store import Store
from passerelle.store.kept_files import QuotaExceeded
from passerelle.store.vault import CHUNK, ContentGone

DAY_NS = 86_400 * 10**9


def file_id() -> str:
    return mint("file").replace("_", "-")


def keep(store: Store, org_id: str, *pieces: bytes, **fields: object) -> KeptFile:
    """A file of these pieces."""
    name = file_id()
    draft = store.files.draft(org_id, name)
    for piece in pieces:
        draft.write(piece)
    said = {
        "id": name, "org_id": org_id, "project_id": "prj", "key_id": "key", "name": "n", "purpose": "vision",
        "media_type": "", "size_bytes": draft.size_bytes, "created_at_ns": 0, "expires_at_ns": None,
    }  # fmt: skip
    file = KeptFile(**{**said, **fields})  # type: ignore[arg-type]
    store.files.keep(draft, file)
    return file


def lying(path: Path, name: str) -> Path:
    (found,) = (path / "files").rglob(name)
    return found


@settings(max_examples=25)
@given(st.lists(st.integers(0, CHUNK + 3), max_size=4))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    store = _one(tmp_path_factory)
    pieces = [os.urandom(1) * size for size in sizes]
    file = keep(store, "org_a", *pieces)
    chunks = list(store.files.content("org_a", file.id))
    assert b"".join(chunks) == b"".join(pieces)
    assert all(len(chunk) <= CHUNK for chunk in chunks)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3 * CHUNK), st.lists(st.tuples(st.integers(0, 3 * CHUNK), st.integers(0, CHUNK + 9))))
def test_pages_give_any_stretch_of_a_file(
    tmp_path_factory: pytest.TempPathFactory, size: int, stretches: list[tuple[int, int]]
) -> None:
    store = _one(tmp_path_factory)
    content = os.urandom(size)
    pages = store.files.pages("org_a", keep(store, "org_a", content).id)
    try:
        for start, length in stretches:
            begin, end = min(start, size), min(start + length, size)
            assert pages.read(begin, end) == content[begin:end]
    finally:
        pages.close()


def test_pages_of_a_file_that_was_changed_are_not_given(store: Store, tmp_path: Path) -> None:
    file = keep(store, "org_a", b"x" * (CHUNK + 5))
    path = lying(tmp_path, file.id)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    pages = store.files.pages("org_a", file.id)
    assert pages.read(0, 3) == b"xxx"
    with pytest.raises(ContentGone):
        pages.read(CHUNK, CHUNK + 1)
    pages.close()
    with pytest.raises(ContentGone):
        store.files.pages("org_b", file.id).read(0, 1)


_store: dict[str, Store] = {}


def _one(factory: pytest.TempPathFactory) -> Store:
    """One store for all examples."""
    if not _store:
        _store["one"] = open_at(factory.mktemp("vault"), StillClock())
    return _store["one"]


@pytest.fixture(scope="module", autouse=True)
def closing() -> object:
    yield
    for store in _store.values():
        store.close()


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[:-1],
        lambda data: data[: -(CHUNK // 2 + 16)],
        lambda data: data[: 15 + CHUNK + 16],
        lambda data: data[:15] + data[15 + CHUNK + 16 : 15 + 2 * (CHUNK + 16)] + data[15 : 15 + CHUNK + 16]
        + data[15 + 2 * (CHUNK + 16) :],
        lambda data: data + b"x",
        lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:],
        lambda data: b"",
        lambda data: data[:10],
    ],
)  # fmt: skip
def test_what_was_changed_on_disk_is_not_read_as_if_it_were_whole(
    store: Store, tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    file = keep(store, "org_a", os.urandom(2 * CHUNK + CHUNK // 2))
    path = lying(tmp_path, file.id)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ContentGone):
        list(store.files.content("org_a", file.id))


def test_a_content_under_another_name_or_tenant_does_not_open(store: Store, tmp_path: Path) -> None:
    mine, other = keep(store, "org_a", b"mine"), keep(store, "org_a", b"other")
    lying(tmp_path, other.id).write_bytes(lying(tmp_path, mine.id).read_bytes())
    with pytest.raises(ContentGone):
        list(store.files.content("org_a", other.id))
    keep(store, "org_b", b"theirs")
    with pytest.raises(ContentGone):
        list(store.files.content("org_b", mine.id))


def test_shredding_a_tenant_takes_its_files_too(store: Store) -> None:
    tenant = a_tenant(store)
    file = keep(store, tenant.org_id, b"words")
    store.contents.shred(tenant.org_id, actor="test")
    with pytest.raises(ContentGone):
        list(store.files.content(tenant.org_id, file.id))
    later = keep(store, tenant.org_id, b"later words")
    assert b"".join(store.files.content(tenant.org_id, later.id)) == b"later words"


@pytest.mark.parametrize("name", ["../../etc/passwd", "file-x", "", "file-" + "A" * 25 + "/", "/etc/passwd"])
def test_only_names_of_ours_are_looked_for(store: Store, name: str) -> None:
    with pytest.raises(ContentGone):
        list(store.files.content("org_a", name))


def test_a_draft_is_no_file_until_it_is_kept(store: Store, tmp_path: Path) -> None:
    draft = store.files.draft("org_a", file_id())
    draft.write(b"x" * CHUNK * 2)
    assert all(path.suffix == ".draft" for path in (tmp_path / "files").rglob("file-*"))
    draft.drop()
    assert not list((tmp_path / "files").rglob("file-*"))


def test_a_project_keeps_no_more_than_it_may(store: Store, tmp_path: Path) -> None:
    keep(store, "org_a", b"x" * 60)
    draft = store.files.draft("org_a", name := file_id())
    draft.write(b"x" * 50)
    file = KeptFile(name, "org_a", "prj", "key", "n", "vision", "", 50, 0, None)
    with pytest.raises(QuotaExceeded):
        store.files.keep(draft, file, most_bytes=100)
    assert store.files.used_bytes("org_a", "prj") == 60
    assert not list((tmp_path / "files").rglob(name))


def test_an_expired_file_is_gone_at_once_and_its_content_soon(
    store: Store, tmp_path: Path, clock: StillClock
) -> None:
    file = keep(store, "org_a", b"x", expires_at_ns=clock.unix_ns() + DAY_NS)
    stays = keep(store, "org_a", b"x")
    assert store.files.get("org_a", "prj", file.id) == file
    clock.advance(86_400)
    assert store.files.get("org_a", "prj", file.id) is None
    assert [one.id for one in store.files.list("org_a", "prj", limit=10)] == [stays.id]
    assert not store.files.delete("org_a", "prj", file.id)
    assert store.files.expire() == 1
    assert [path.name for path in (tmp_path / "files").rglob("file-*")] == [stays.id]


def test_what_nobody_names_is_swept_away_after_a_day(store: Store, tmp_path: Path) -> None:
    file = keep(store, "org_a", b"x")
    orphan = lying(tmp_path, file.id).with_name(re.sub(r"...$", "ZZZ", file.id))
    orphan.write_bytes(b"left by a crash")
    abandoned = store.files.draft("org_a", file_id())
    assert store.files.sweep() == 0
    long_ago = time.time() - 2 * 86_400
    for path in (tmp_path / "files").rglob("file-*"):
        os.utime(path, (long_ago, long_ago))
    assert store.files.sweep() == 2
    abandoned.drop()
    assert [path.name for path in (tmp_path / "files").rglob("file-*")] == [file.id]
