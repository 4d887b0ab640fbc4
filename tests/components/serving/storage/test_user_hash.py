"""Hashes of user ids, which other processes and later versions share: they do not change."""

from components.serving.storage.user_hash import N_VERSION_SLOTS, version_slot, version_slots
from components.tombstones import add_key, key_id, tombstone, unkeyed_tombstone


def test_known_values_do_not_change() -> None:
    assert (version_slot("ann"), version_slot("用户"), version_slot("\ud800")) == (29299, 41693, 42280)
    assert unkeyed_tombstone("ann") == "49915e0d7d4b402e3017d010bc1c0e83cac6c797d6c16e66340fe3268693a6a1"
    key = b"0123456789abcdef0123456789abcdef"
    assert tombstone("ann", key) == "a8b798b49df19f39cb90f1e3496c8c23cbcdd0da71f0c52d7c523feb48e275ff"
    assert key_id(key) == "39ed5252b09bd183"


def test_a_tombstone_of_version_0_2_becomes_the_one_with_a_key() -> None:
    for user in ("ann", "用户", "\ud800"):
        assert add_key(unkeyed_tombstone(user), b"k" * 32) == tombstone(user, b"k" * 32)
    assert len({tombstone("ann", b"k" * 32), tombstone("ann", b"l" * 32), tombstone("bob", b"k" * 32)}) == 3


def test_slots_are_distinct_ascending_and_in_range() -> None:
    users = [f"u{n}" for n in range(2000)]
    slots = version_slots([*users, *users])
    assert slots == sorted(set(map(version_slot, users)))
    assert 1900 < len(slots) <= 2000
    assert 0 <= slots[0] <= slots[-1] < N_VERSION_SLOTS
