"""Fake users who push a product, with the fillers of Mobasher et al. 2007, for tests and benchmarks."""

from dataclasses import replace

import numpy as np

from components.contracts import Catalogue, Interactions
from components.evaluation.exposure import PURCHASE
from components.times import DAY_US

FILLERS = ("none", "random", "popular", "segment")
N_POPULAR = 50  # products from which popular fillers are drawn


def buyers_of(events: Interactions) -> np.ndarray:
    """Return (n_items + 1,) the number of purchases of known users."""
    bought = (events.user_idx > 0) & (events.event == PURCHASE)
    return np.bincount(events.item_idx[bought], minlength=events.n_items + 1)


def add_fake_users(
    events: Interactions,
    catalogue: Catalogue,
    product: int,
    fillers: str,
    share: float = 0.01,
    n_fillers: int = 10,
    n_times: int = 1,
    days: int = 20,
    seed: int = 0,
) -> Interactions:
    """Return the events with a share of users more, each with n_times purchases of the product and one of each filler.

    Purchases are at random in the last days. Fillers are other products: any (random), some of the N_POPULAR most
    bought (popular: bandwagon), or some of the product's own category (segment).
    """
    rng, ranks = np.random.default_rng(seed), np.argsort(-buyers_of(events), kind="stable")
    pools = {
        "none": ranks[:0],
        "random": np.arange(1, events.n_items + 1),
        "popular": ranks[:N_POPULAR],
        "segment": np.flatnonzero(np.array(catalogue.category) == catalogue.category[product]),
    }
    pool = np.setdiff1d(pools[fillers], [product])
    n = max(1, round(share * events.n_users))
    chosen = [rng.permutation(pool)[:n_fillers] for _ in range(n)]
    items = np.concatenate([np.append(row, [product] * n_times) for row in chosen]).astype(np.int32)
    users = np.repeat(events.n_users + 1 + np.arange(n), [len(row) + n_times for row in chosen]).astype(np.int32)
    times = events.now - 1 - (rng.random(len(users)) * days * DAY_US).astype(np.int64)
    order = np.lexsort((times, users))
    added = {
        "user_idx": users,
        "item_idx": items[order],
        "timestamp": times[order],
        "event": np.full(len(users), PURCHASE, np.int8),
        "weight": np.ones(len(users), np.float32),
    }
    columns = {name: np.concatenate([getattr(events, name), values]) for name, values in added.items()}
    return replace(events, **columns, n_users=events.n_users + n)
