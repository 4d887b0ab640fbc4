"""Hashes of user ids: the slot that holds the version of a history, and the tombstone of a deleted user."""

import hmac
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


def unkeyed_tombstone(user_id: str) -> str:
    """Return the tombstone of version 0.2: whoever reads it can find the id by hashing possible ids."""
    return sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()


def add_key(unkeyed: str, key: bytes) -> str:
    """Return the tombstone (HMAC-SHA256, hexadecimal) for one of version 0.2."""
    return hmac.new(key, unkeyed.encode(), sha256).hexdigest()


def tombstone(user_id: str, key: bytes) -> str:
    """Return the tombstone of a deleted user, which reveals the id only to whoever has the key."""
    return add_key(unkeyed_tombstone(user_id), key)


def key_id(key: bytes) -> str:
    """Return 16 digits that tell keys apart and do not reveal them."""
    return hmac.new(key, b"key id", sha256).hexdigest()[:16]
