"""Exposures of a small world in which users click on the products of their parity."""

import numpy as np

from components.ranking.examples import Examples

N_USERS, N_ITEMS, DIM = 40, 30, 6


def shown(n: int, seed: int) -> Examples:
    """Draw exposures: in the first position, 6 of 10 of the right parity are clicked, 1 of 10 of the other."""
    rng = np.random.default_rng(seed)
    user = rng.integers(1, N_USERS + 1, n).astype(np.int32)
    item = rng.integers(1, N_ITEMS + 1, n).astype(np.int32)
    position = rng.integers(0, 10, n).astype(np.float32)
    chance = np.where(user % 2 == item % 2, 0.6, 0.1) / np.sqrt(1 + position)
    click = rng.random(n) < chance
    cart = click & (rng.random(n) < 0.5)
    bought = cart & (rng.random(n) < 0.5)
    labels = np.stack([click, cart, bought], axis=1).astype(np.float32)
    return Examples(user, item, position, np.arange(n, dtype=np.int64), labels)
