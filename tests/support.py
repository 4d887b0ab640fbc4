"""A tiny world with known answers, for the tests of every package."""

from pathlib import Path

import numpy as np

from components.contracts import Catalogue, Interactions, Users
from components.ragged import Ragged
from components.times import DAY_US, HOUR_US

ROOT = Path(__file__).parents[1]


def ragged(rows: list[list[int]], start: int = 0) -> Ragged:
    """Make a Ragged of purchases, one hour apart, oldest first."""
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    items = np.array([i for r in rows for i in r], dtype=np.int32)
    times = np.array([start + n * HOUR_US for r in rows for n in range(len(r))], dtype=np.int64)
    n = len(items)
    return Ragged(offsets, items, times, np.full(n, 2, np.int8), np.ones(n, np.float32))


def interactions_of(history: Ragged, n_items: int) -> Interactions:
    """Return the rows of `history` as the events of users 1, 2, ..."""
    n_users = len(history)
    return Interactions(
        user_idx=np.repeat(np.arange(1, n_users + 1, dtype=np.int32), np.diff(history.offsets)),
        item_idx=history.item_idx,
        timestamp=history.timestamp,
        event=history.event,
        weight=history.weight,
        n_users=n_users,
        n_items=n_items,
        now=10 * DAY_US,
    )


def checkerboard(n_users: int = 40, n_items: int = 20, seed: int = 0) -> tuple[Interactions, Catalogue, Users]:
    """Odd users buy odd items, even users even items: each user's right items are known.

    Every user bought 6 items of their own colour before day 10 and two others of it after; user 0 of the returned
    Users has an empty history, and item n_items was never sold and has only a text.
    """
    rng = np.random.default_rng(seed)
    past: list[list[int]] = []
    future: list[list[int]] = []
    for user in range(1, n_users + 1):
        own = [i for i in range(1, n_items) if i % 2 == user % 2]
        row = [int(i) for i in rng.permutation(own)[:8]]
        past.append(row[:6])
        future.append(row[6:])
    history = ragged(past)
    interactions = interactions_of(history, n_items)
    colour = ["", *("odd red" if i % 2 else "even blue" for i in range(1, n_items + 1))]
    embedding = np.zeros((n_items + 1, 8), np.float32)
    noise = rng.normal(0, 0.2, (n_items + 1, 8))
    for i in range(1, n_items + 1):
        vector = noise[i] + np.eye(8)[i % 2] * 2
        embedding[i] = vector / np.linalg.norm(vector)
    catalogue = Catalogue(
        item_id=["", *(f"sku-{i}" for i in range(1, n_items + 1))],
        title=["", *(f"{colour[i]} thing {i}" for i in range(1, n_items + 1))],
        text=["", *(f"{colour[i]} thing {i}" for i in range(1, n_items + 1))],
        brand=[""] * (n_items + 1),
        category=colour,
        language=["", *["en"] * n_items],
        price=np.concatenate([[np.nan], np.linspace(1, 9, n_items)]).astype(np.float32),
        embedding=embedding,
        vectors={"picture": embedding[:, :4]},
    )
    users = Users(
        user_idx=np.arange(0, n_users + 1, dtype=np.int32),
        history=ragged([[], *past]),
        now=10 * DAY_US,
        targets=ragged([[n_items], *future], start=10 * DAY_US),
    )
    return interactions, catalogue, users
