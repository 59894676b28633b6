"""The Merkle tree of RFC 6962: hashes, roots, proofs that a leaf is in, and that a tree only grew.

Sources: RFC 6962 §2.1 (hashes, paths, consistency), RFC 9162 §2.1.3.2 and §2.1.4.2 (how to verify),
read 2026-11-22. A leaf and an inner node are hashed under different first bytes, so neither can pass
for the other. Inputs named `leaves` are leaf *hashes*; entries are hashed once with `leaf_hash`.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_SIZE = 32

EMPTY_ROOT = sha256(b"").digest()
"""Root of a tree with no leaf."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256 of `0x00 ‖ entry`."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of `0x01 ‖ left ‖ right`."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's root."""
    return levels(leaves)[-1][0] if leaves else EMPTY_ROOT


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Every level from the leaves up to the root, for at least one leaf.

    RFC 6962 splits n leaves at the largest power of two below n; pairing neighbours level by level and
    carrying an odd last node up unchanged gives the same tree, and all paths in one pass.
    """
    if not leaves:
        raise ValueError("a tree without leaves has no levels; its root is `EMPTY_ROOT`")
    rows = [list(leaves)]
    while len(rows[-1]) > 1:
        below = rows[-1]
        # `node_hash`, without a call for each node: half the cost of a batch.
        above = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(below[::2], below[1::2], strict=False)
        ]
        if len(below) % 2:
            above.append(below[-1])
        rows.append(above)
    return rows


def path(rows: Sequence[Sequence[bytes]], index: int) -> tuple[bytes, ...]:
    """The inclusion proof of the leaf at `index`: siblings from the leaf upwards, out of `levels`."""
    if not 0 <= index < len(rows[0]):
        raise IndexError(f"leaf {index} is not in a tree of {len(rows[0])}")
    siblings = []
    for row in rows[:-1]:
        sibling = index ^ 1
        if sibling < len(row):
            siblings.append(row[sibling])
        index >>= 1
    return tuple(siblings)


def root_from_path(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that `proof` leads to from a leaf hash; None when the proof cannot be one of this shape."""
    if not 0 <= index < size:
        return None
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0 or len(sibling) != HASH_SIZE:
            return None
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    return node if last == 0 else None


def includes(tree_root: bytes, leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows the leaf hash at `index` of the tree of `size` leaves with this root."""
    return root_from_path(leaf, index, size, proof) == tree_root


def consistency(leaves: Sequence[bytes], size: int) -> tuple[bytes, ...]:
    """The proof that the tree of the first `size` leaves is a beginning of the tree of all of them."""
    if not 0 < size <= len(leaves):
        raise ValueError(f"no proof from {size} to {len(leaves)} leaves: the older tree must be the smaller")
    return tuple(_subproof(leaves, size, whole=True))


def _subproof(leaves: Sequence[bytes], size: int, *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962 §2.1.2; `whole` says that the old root is known already."""
    if size == len(leaves):
        return [] if whole else [root(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if size <= split:
        return [*_subproof(leaves[:split], size, whole=whole), root(leaves[split:])]
    return [*_subproof(leaves[split:], size - split, whole=False), root(leaves[:split])]


def extends(old_root: bytes, old_size: int, new_root: bytes, new_size: int, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the new tree begins with the whole old one (RFC 9162 §2.1.4.2)."""
    if not 0 < old_size <= new_size or any(len(node) != HASH_SIZE for node in proof):
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    nodes = list(proof)
    if old_size & (old_size - 1) == 0:  # a whole subtree: its root is the old root, left out of the proof
        nodes.insert(0, old_root)
    if not nodes:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, node)
        position >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == new_root
