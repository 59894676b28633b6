"""The journal's file: what was appended is read back, whatever happened to its tail."""

import errno
import fcntl
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.store import segment
from passerelle.store.errors import StoreUnavailable
from passerelle.store.segment import MAX_RECORD_BYTES, Segment, claim, parse, read

payloads_lists = st.lists(st.binary(max_size=300), max_size=12)
FRAME_HEAD = 16


def written(path: Path, payloads: list[bytes]) -> bytes:
    """A file's bytes with these records, as a dead process leaves them."""
    path.unlink(missing_ok=True)
    one = Segment.create(path, 4096)
    for payload in payloads:
        one.append(payload)
    one.close(delete=False)
    return path.read_bytes()


@settings(max_examples=60)
@given(payloads=payloads_lists)
def test_what_was_appended_is_read_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]
) -> None:
    data = written(tmp_path_factory.mktemp("s") / "a.journal", payloads)
    assert parse(data) == (tuple(payloads), 0, 0)


@settings(max_examples=150)
@given(payloads=payloads_lists, data=st.data())
def test_a_file_cut_anywhere_keeps_every_whole_record_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    text = written(tmp_path_factory.mktemp("s") / "a.journal", payloads)
    cut = data.draw(st.integers(0, len(text)))
    kept: list[bytes] = []
    end = FRAME_HEAD
    for payload in payloads:
        end += FRAME_HEAD + len(payload)
        if end <= cut:
            kept.append(payload)
    assert parse(text[:cut]).payloads == tuple(kept)
    assert parse(text[:cut] + bytes(100)).payloads == tuple(kept), "a mapped file ends in zeros"


@settings(max_examples=150)
@given(payloads=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8), data=st.data())
def test_damage_costs_only_the_records_it_touches(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    text = bytearray(written(tmp_path_factory.mktemp("s") / "a.journal", payloads))
    victim = data.draw(st.integers(0, len(payloads) - 1))
    start = FRAME_HEAD + sum(FRAME_HEAD + len(payload) for payload in payloads[:victim])
    place = start + data.draw(st.integers(0, FRAME_HEAD + len(payloads[victim]) - 1))
    text[place] ^= data.draw(st.integers(1, 255))
    found = parse(bytes(text))
    others = [payload for index, payload in enumerate(payloads) if index != victim]
    assert list(found.payloads) == others
    assert found.torn_bytes + found.damaged_bytes > 0


@settings(max_examples=200)
@given(st.binary(max_size=600))
def test_any_bytes_can_be_read(data: bytes) -> None:
    parse(data)
    parse(b"PSLJRNL1" + data)


def test_a_record_cannot_forge_another(tmp_path: Path) -> None:
    """A prompt stored in a record imitates a frame; damage before it must not bring the fake to life."""
    other = written(tmp_path / "other.journal", [b"fake settlement"])
    text = bytearray(written(tmp_path / "a.journal", [b"x" * 40 + other[16:], b"real"]))
    text[20] ^= 1
    assert parse(bytes(text)).payloads == (b"real",)


def test_a_payload_that_ends_in_zeros_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    one = Segment.create(path, 4096)
    one.append(bytes(10))
    with path.open("rb") as file:
        assert read(file.fileno()) == ((bytes(10),), 0, 0)
    one.close(delete=True)


def test_a_file_grows_beyond_what_it_reserved(tmp_path: Path) -> None:
    payloads = [bytes([index]) * 3_000 for index in range(1, 60)]
    assert parse(written(tmp_path / "a.journal", payloads)).payloads == tuple(payloads)


def test_a_living_writers_file_cannot_be_claimed_and_a_dead_ones_can(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    one = Segment.create(path)
    with claim(path) as handle:
        assert handle is None
    one.append(b"record")
    one.close(delete=False)
    with claim(path) as handle:
        assert handle is not None
        assert read(handle).payloads == (b"record",)
        with claim(path) as second:
            assert second is None, "one recovery at a time"


def test_a_file_removed_meanwhile_is_not_claimed(tmp_path: Path) -> None:
    with claim(tmp_path / "gone.journal") as handle:
        assert handle is None
    path = tmp_path / "a.journal"
    written(path, [b"record"])
    other = os.open(path, os.O_RDONLY)
    path.unlink()
    fcntl.flock(other, fcntl.LOCK_EX)
    os.close(other)
    with claim(path) as handle:
        assert handle is None


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    written(tmp_path / "a.journal", [])
    assert (tmp_path / "a.journal").stat().st_mode & 0o777 == 0o600


def test_a_record_above_the_limit_is_refused_and_leaves_the_file_whole(tmp_path: Path) -> None:
    one = Segment.create(tmp_path / "a.journal", 4096)
    one.append(b"before")
    with pytest.raises(StoreUnavailable, match="limit"):
        one.append(bytes(MAX_RECORD_BYTES + 1))
    one.append(b"after")
    one.close(delete=False)
    assert parse((tmp_path / "a.journal").read_bytes()).payloads == (b"before", b"after")


def test_a_full_disk_refuses_the_record_and_leaves_the_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Segment.create(tmp_path / "a.journal", 4096)
    one.append(b"before")

    def full(handle: int, start: int, end: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(segment, "_reserve", full)
        with pytest.raises(StoreUnavailable, match="No space left"):
            one.append(bytes(8192))
        with pytest.raises(StoreUnavailable, match="No space left"):
            Segment.create(tmp_path / "b.journal")
    assert not list(tmp_path.glob("b.*"))
    one.append(b"after" * 1000)
    one.close(delete=False)
    assert parse((tmp_path / "a.journal").read_bytes()).payloads == (b"before", b"after" * 1000)


def test_space_is_reserved_where_the_system_has_no_call_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    payloads = [b"x" * 5_000, b"y" * 5_000]
    assert parse(written(tmp_path / "a.journal", payloads)).payloads == tuple(payloads)


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot create the journal"):
        Segment.create(tmp_path / "missing" / "a.journal")
