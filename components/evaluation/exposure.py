"""Products that fill the lists because of users who took nothing else: how fake users push a product.

Real users take several products; the users behind a pushed product were made for it. A product is suspect where more
of its users took nothing else than chance explains, given how usual such users are in the shop. Source: the attack
models of Mobasher et al. 2007 (Toward trustworthy recommender systems); this finds those without further purchases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contracts import EVENTS, FloatArray, IntArray, Interactions, PushedProduct

PURCHASE = EVENTS.index("purchase")
LEVEL = 0.01  # probability of a suspect in a shop without fake users, over all products
MIN_USERS = 3  # who took nothing else
MIN_RATIO = 2.0  # their share, to the expected one: users of a single product prefer popular ones
MIN_SHARE = 0.4  # of its users: with fewer, those who took other products too explain its place in the lists
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ItemUsers:
    """The users of each item in the training window, and those of them who took no other item."""

    n_users: Counts  # (n_items + 1,)
    n_alone: Counts  # (n_items + 1,)

    def suspects(self) -> IntArray:
        """Return the items of which more users took nothing else than chance explains, ascending.

        The expected share is that among the users of all other items. The test is binomial, one-sided, and corrected
        for the number of items that can be suspect; the share must be MIN_RATIO times the expected one as well, and
        MIN_SHARE: many of those who come for a product that becomes popular have taken nothing else yet.
        """
        from scipy.stats import binom

        others, others_alone = self.n_users.sum() - self.n_users, self.n_alone.sum() - self.n_alone
        expected = (others_alone + 1) / (others + 2)
        chance = binom.sf(self.n_alone - 1, self.n_users, expected)
        least = np.maximum(MIN_RATIO * expected, MIN_SHARE) * self.n_users
        is_many = (self.n_alone >= MIN_USERS) & (self.n_alone >= least)
        n_tests = np.count_nonzero(self.n_users >= MIN_USERS)  # the other items cannot be suspect
        return np.flatnonzero(is_many & (chance * n_tests < LEVEL)).astype(np.int32)


def count_item_users(interactions: Interactions) -> ItemUsers:
    """Count the known users of each item: buyers, where there are purchases, since views cost a fake user nothing."""
    size = interactions.n_items + 1
    bought = interactions.event == PURCHASE
    known = (interactions.user_idx > 0) & (bought if bought.any() else True)
    cells = np.unique(interactions.user_idx[known].astype(np.int64) * size + interactions.item_idx[known])
    users, items = np.divmod(cells, size)
    _, row, n_items = np.unique(users, return_inverse=True, return_counts=True)
    alone = items[n_items[row] == 1]
    return ItemUsers(np.bincount(items, minlength=size), np.bincount(alone, minlength=size))


def list_shares(lists: IntArray, n_items: int, k: int) -> FloatArray:
    """Return (n_items + 1,) the share of lists (n_users, at least k) that have the item among their first k."""
    counts = np.bincount(lists[:, :k].ravel(), minlength=n_items + 1)
    shares: FloatArray = (counts / max(1, len(lists))).astype(np.float32)
    return shares


def find_pushed(
    users: ItemUsers, lists: IntArray, champion: IntArray, item_ids: Sequence[str], k: int
) -> PushedProduct | None:
    """Return the suspect product whose share of the lists rose most against the champion's; None without a suspect.

    lists, champion: (n_users, at least k) of the same users.
    """
    suspects = users.suspects()
    if not len(suspects):
        return None
    after, before = (list_shares(rows, len(item_ids) - 1, k)[suspects] for rows in (lists, champion))
    at = int(np.argmax(after - before))
    item = int(suspects[at])
    return PushedProduct(
        item_id=item_ids[item],
        before=float(before[at]),
        after=float(after[at]),
        n_users=int(users.n_users[item]),
        n_alone=int(users.n_alone[item]),
    )
