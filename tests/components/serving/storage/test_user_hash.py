"""Hashes of user ids, which other processes and later versions share: they do not change."""

from components.serving.storage.user_hash import N_VERSION_SLOTS, tombstone, version_slot, version_slots


def test_known_values_do_not_change() -> None:
    assert (version_slot("ann"), version_slot("用户"), version_slot("\ud800")) == (29299, 41693, 42280)
    assert tombstone("ann") == "49915e0d7d4b402e3017d010bc1c0e83cac6c797d6c16e66340fe3268693a6a1"


def test_slots_are_distinct_ascending_and_in_range() -> None:
    users = [f"u{n}" for n in range(2000)]
    slots = version_slots([*users, *users])
    assert slots == sorted(set(map(version_slot, users)))
    assert 1900 < len(slots) <= 2000
    assert 0 <= slots[0] <= slots[-1] < N_VERSION_SLOTS
