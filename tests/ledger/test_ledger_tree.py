"""The RFC 6962 tree against a literal transcription of the RFC and the well-known reference values."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.ledger import tree

# The eight entries and roots used by every Certificate Transparency implementation's tests
# (google/certificate-transparency, `merkletree_test`); recomputed below by `naive_root`.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(entries: list[bytes]) -> bytes:
    """MTH(D[n]) exactly as RFC 6962 §2.1 words it."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


def naive_path(m: int, entries: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) exactly as RFC 6962 §2.1.1 words it."""
    if len(entries) <= 1:
        return []
    k = 1
    while k * 2 < len(entries):
        k *= 2
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def hashes(entries: list[bytes]) -> list[bytes]:
    return [tree.leaf_hash(entry) for entry in entries]


entries_lists = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_known_ones(size: int) -> None:
    assert tree.root(hashes(ENTRIES[:size])).hex() == ROOTS[size - 1]
    assert naive_root(ENTRIES[:size]).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert tree.root([]) == tree.EMPTY_ROOT == naive_root([])


@given(entries_lists)
def test_roots_and_paths_are_the_rfcs(entries: list[bytes]) -> None:
    rows = tree.levels(hashes(entries))
    assert rows[-1][0] == naive_root(entries)
    for index in range(len(entries)):
        assert list(tree.path(rows, index)) == naive_path(index, entries)


@given(entries_lists, st.data())
def test_every_leaf_proves_itself_and_nothing_else(entries: list[bytes], data: st.DataObject) -> None:
    leaves = hashes(entries)
    rows = tree.levels(leaves)
    root, size = rows[-1][0], len(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = list(tree.path(rows, index))
    assert tree.includes(root, leaves[index], index, size, proof)
    assert not tree.includes(root, tree.leaf_hash(b"other entry"), index, size, proof)
    for wrong in range(size):
        if leaves[wrong] != leaves[index]:
            assert not tree.includes(root, leaves[wrong], wrong, size, proof) or wrong == index
        if wrong != index and leaves[wrong] != leaves[index]:
            assert not tree.includes(root, leaves[index], wrong, size, proof)
    assert not tree.includes(root, leaves[index], index, size, [*proof, bytes(32)])
    if proof:
        assert not tree.includes(root, leaves[index], index, size, proof[:-1])


@settings(max_examples=200)
@given(entries_lists, st.data())
def test_any_flipped_bit_of_a_proof_is_noticed(entries: list[bytes], data: st.DataObject) -> None:
    leaves = hashes(entries)
    rows = tree.levels(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = list(tree.path(rows, index))
    if not proof:
        return
    node = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    flipped = bytearray(proof[node])
    flipped[bit // 8] ^= 1 << bit % 8
    proof[node] = bytes(flipped)
    assert not tree.includes(rows[-1][0], leaves[index], index, len(leaves), proof)


@pytest.mark.parametrize("index", [-1, 1, 99])
def test_a_leaf_outside_the_tree_proves_nothing(index: int) -> None:
    leaf = tree.leaf_hash(b"x")
    assert tree.root_from_path(leaf, index, 1, []) is None


def test_a_hash_of_the_wrong_length_is_no_proof() -> None:
    leaves = hashes(ENTRIES[:2])
    assert tree.root_from_path(leaves[0], 0, 2, [leaves[1][:31]]) is None


@given(entries_lists, st.data())
def test_a_tree_extends_each_of_its_beginnings(entries: list[bytes], data: st.DataObject) -> None:
    leaves = hashes(entries)
    size = data.draw(st.integers(1, len(leaves)))
    proof = tree.consistency(leaves, size)
    old, new = tree.root(leaves[:size]), tree.root(leaves)
    assert tree.extends(old, size, new, len(leaves), proof)


@given(entries_lists, st.data())
def test_a_tree_with_a_changed_past_does_not_extend_it(entries: list[bytes], data: st.DataObject) -> None:
    leaves = hashes(entries)
    size = data.draw(st.integers(1, len(leaves)))
    forged = list(leaves)
    forged[data.draw(st.integers(0, size - 1))] = tree.leaf_hash(b"rewritten history")
    old, new = tree.root(leaves[:size]), tree.root(forged)
    for proof in (tree.consistency(forged, size), tree.consistency(leaves, size)):
        assert not tree.extends(old, size, new, len(leaves), proof)


@given(entries_lists, st.data())
def test_a_consistency_proof_is_for_these_sizes_and_roots_only(
    entries: list[bytes], data: st.DataObject
) -> None:
    leaves = hashes(entries)
    size = data.draw(st.integers(1, len(leaves)))
    proof = list(tree.consistency(leaves, size))
    old, new = tree.root(leaves[:size]), tree.root(leaves)
    assert not tree.extends(bytes(32), size, new, len(leaves), proof)
    assert not tree.extends(old, size, bytes(32), len(leaves), proof)
    assert not tree.extends(old, size, new, len(leaves), [*proof, bytes(32)])
    if proof:
        assert not tree.extends(old, size, new, len(leaves), proof[:-1])
        place = data.draw(st.integers(0, len(proof) - 1))
        proof[place] = bytes(byte ^ 1 for byte in proof[place])
        assert not tree.extends(old, size, new, len(leaves), proof)


def test_consistency_of_the_rfcs_own_example() -> None:
    """RFC 6962 §2.1.3: from 3 to 7 leaves the proof is [c, d, g, l], from 4 [l], from 6 [i, j, k]."""
    leaves = hashes([bytes([n]) for n in range(7)])
    a, b, c, d, e, f, j = leaves
    g, h, i = tree.node_hash(a, b), tree.node_hash(c, d), tree.node_hash(e, f)
    k, l = tree.node_hash(g, h), tree.node_hash(i, j)  # noqa: E741 - the RFC's own letters
    assert tree.root(leaves) == tree.node_hash(k, l)
    assert tree.consistency(leaves, 3) == (c, d, g, l)
    assert tree.consistency(leaves, 4) == (l,)
    assert tree.consistency(leaves, 6) == (i, j, k)
    assert tree.path(tree.levels(leaves), 0) == (b, h, l)
    assert tree.path(tree.levels(leaves), 3) == (c, g, l)
    assert tree.path(tree.levels(leaves), 4) == (f, j, k)
    assert tree.path(tree.levels(leaves), 6) == (i, k)
