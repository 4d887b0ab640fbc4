"""Hashes of user ids: the slot that holds the version of a history, and the tombstone of a deleted user."""

import zlib
from collections.abc import Iterable
from hashlib import sha256

N_VERSION_SLOTS = 65_536  # users who share a slot invalidate each other's cached lists, which costs a read


def version_slot(user_id: str) -> int:
    """Return the slot of a user, below N_VERSION_SLOTS and the same in every process."""
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass")) % N_VERSION_SLOTS


def version_slots(user_ids: Iterable[str]) -> list[int]:
    """Return the slots of the users, each once, ascending."""
    return sorted({version_slot(user_id) for user_id in user_ids})


def tombstone(user_id: str) -> str:
    """Return the tombstone of a deleted user: a digest that does not reveal the id."""
    return sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()
