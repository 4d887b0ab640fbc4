"""The slot that holds the version of a user's history."""

import zlib
from collections.abc import Iterable

N_VERSION_SLOTS = 65_536  # users who share a slot invalidate each other's cached lists, which costs a read


def version_slot(user_id: str) -> int:
    """Return the slot of a user, below N_VERSION_SLOTS and the same in every process."""
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass")) % N_VERSION_SLOTS


def version_slots(user_ids: Iterable[str]) -> list[int]:
    """Return the slots of the users, each once, ascending."""
    return sorted({version_slot(user_id) for user_id in user_ids})
