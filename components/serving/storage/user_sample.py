"""Users to look at: a few active, new and returning ones, and some at random, found without reading all events.

The store is not read as a whole: at most N_ANCHORS blocks of users that begin at random ids, so that the time does not
grow with the number of events.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from components.serving.storage.event_store import EventStore, UserActivity
from components.times import DAY_US

N_ANCHORS, BLOCK = 8, 50
RECENT_DAYS = 14  # before the newest event of the sampled users
CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


class UserSample(NamedTuple):
    """Some users of each kind; a user may be of several."""

    active: list[UserActivity]  # the most events in RECENT_DAYS, most first
    new: list[UserActivity]  # the first event in RECENT_DAYS, newest first
    returning: list[UserActivity]  # events in RECENT_DAYS and before, last event first
    random: list[UserActivity]


def sample_users(store: EventStore, n: int, seed: int | None = None) -> UserSample:
    """Return up to n users of each kind. seed: of the choice; None: another one each time. Raises StoreError."""
    chance = random.Random(seed)
    user_ids = _choose(store, chance)
    newest = max((user.last for user in store.summarise_users(user_ids, 0)), default=0)
    since = newest - RECENT_DAYS * DAY_US
    users = sorted(store.summarise_users(user_ids, since))
    chance.shuffle(users)
    recent = [user for user in users if user.last >= since]
    return UserSample(
        active=sorted(recent, key=lambda user: -user.n_recent)[:n],
        new=sorted((u for u in recent if u.first >= since), key=lambda user: -user.first)[:n],
        returning=sorted((u for u in recent if u.first < since), key=lambda user: -user.last)[:n],
        random=users[:n],
    )


def _choose(store: EventStore, chance: random.Random) -> Sequence[str]:
    """Return up to N_ANCHORS * BLOCK user ids; all where there are no more."""
    users = store.list_users("", N_ANCHORS * BLOCK)
    if len(users) < N_ANCHORS * BLOCK:
        return users
    first, last = users[0], store.last_user() or users[-1]
    found: dict[str, None] = {}
    for _ in range(N_ANCHORS):
        found |= dict.fromkeys(store.list_users(_random_id(first, last, chance), BLOCK))
    return list(found) or users


def _random_id(first: str, last: str, chance: random.Random) -> str:
    """Return a text between two ids: their common start, a character between the next ones, and random ones."""
    n = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    low, high = ord(first[n]) if n < len(first) else 48, ord(last[n]) if n < len(last) else 48
    between = chr(chance.randint(low, max(low, high))).encode("utf-8", "replace").decode()  # no half of a pair
    return last[:n] + between + "".join(chance.choices(CHARACTERS, k=8))
