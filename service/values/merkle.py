"""Merkle trees of RFC 9162 (§2.1): the root of some leaves, and the path that proves one of them."""

import hashlib
from collections.abc import Sequence
from typing import Final

HASH_BYTES: Final = 32
"""Bytes of a hash of the audit trail."""


def leaf_hash(text: str) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + text.encode()).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of a tree by the hashes of its leaves; of none, the hash of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = [*leaves]
    while len(level) > 1:
        pairs = [_node(*level[place : place + 2]) for place in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) // 2 * 2 :]  # an odd one goes up as it is
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes beside the way from a leaf up to the root, from below (§2.1.3.1)."""
    level, path = [*leaves], list[bytes]()
    while len(level) > 1:
        if (beside := index ^ 1) < len(level):
            path.append(level[beside])
        pairs = [_node(*level[place : place + 2]) for place in range(0, len(level) - 1, 2)]
        level, index = pairs + level[len(level) // 2 * 2 :], index // 2
    return path


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
