"""Products that fill the lists because of users who were made for them: how fake users push a product.

Real users take several products, over months; fake ones take the product that they push, and perhaps others to look
real, within days of their first. A product is suspect where more of its users took nothing else, or were new, than
chance explains, given how usual such users are in the shop. Source: the attack models of Mobasher et al. 2007 (Toward
trustworthy recommender systems); not found are fake users with accounts older than NEW_DAYS and other products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contracts import EVENTS, FloatArray, IntArray, Interactions, PushedProduct
from components.times import DAY_US

PURCHASE = EVENTS.index("purchase")
LEVEL = 0.01  # probability of a suspect in a shop without fake users, over all products, of each of the two signs
MIN_USERS = 3  # who took nothing else, or were new
MIN_RATIO = 2.0  # their share, to the expected one: users of a single product prefer popular ones
MIN_SHARE = 0.4  # of its users: with fewer, the others explain its place in the lists
NEW_DAYS = 30  # a user is new for these days after the first event
WEEK_US = 7 * DAY_US
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ItemUsers:
    """The users of each item in the training window; those who took no other item, and those who were new."""

    n_users: Counts  # (n_items + 1,)
    n_alone: Counts  # (n_items + 1,) who took no other item
    n_new: Counts  # (n_items + 1,) who took it within NEW_DAYS of their first event
    new_share: NDArray[np.float64]  # (n_items + 1,) expected: new users among those of all other items in those weeks

    def suspects(self) -> IntArray:
        """Return the items of which more users took nothing else, or were new, than chance explains, ascending.

        The expected share of users who took nothing else is that among the users of all other items.
        """
        others, others_alone = self.n_users.sum() - self.n_users, self.n_alone.sum() - self.n_alone
        is_suspect = self._is_unusual(self.n_alone, (others_alone + 1) / (others + 2))
        is_suspect |= self._is_unusual(self.n_new, self.new_share)
        return np.flatnonzero(is_suspect).astype(np.int32)

    def _is_unusual(self, counts: Counts, expected: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether more of the users have the sign than chance explains, by item.

        The test is binomial, one-sided, and corrected for the number of items that can be suspect; the share must be
        MIN_RATIO times the expected one as well, and MIN_SHARE: many of those who come for a product that becomes
        popular have taken nothing else yet.
        """
        from scipy.stats import binom

        chance = binom.sf(counts - 1, self.n_users, expected)
        least = np.maximum(MIN_RATIO * expected, MIN_SHARE) * self.n_users
        is_many = (counts >= MIN_USERS) & (counts >= least)
        n_tests = np.count_nonzero(self.n_users >= MIN_USERS)  # the other items cannot be suspect
        unusual: NDArray[np.bool_] = is_many & (chance * n_tests < LEVEL)
        return unusual


def count_item_users(interactions: Interactions) -> ItemUsers:
    """Count the known users of each item: buyers, where there are purchases, since views cost a fake user nothing."""
    size = interactions.n_items + 1
    first = np.full(interactions.n_users + 1, interactions.now)  # event of each user, of any kind
    np.minimum.at(first, interactions.user_idx, interactions.timestamp)
    bought = interactions.event == PURCHASE
    taken = interactions.filter((interactions.user_idx > 0) & (bought if bought.any() else True))
    order = np.argsort(taken.timestamp, kind="stable")
    cells, at = np.unique(taken.user_idx[order].astype(np.int64) * size + taken.item_idx[order], return_index=True)
    users, items = np.divmod(cells, size)
    time = taken.timestamp[order][at]  # of the user's first event with the item
    _, row, n_items = np.unique(users, return_inverse=True, return_counts=True)
    is_new = time - first[users] < NEW_DAYS * DAY_US
    expected = _others_share(items, (interactions.now - time) // WEEK_US, is_new)
    n_users = np.bincount(items, minlength=size)
    return ItemUsers(
        n_users,
        np.bincount(items[n_items[row] == 1], minlength=size),
        np.bincount(items[is_new], minlength=size),
        np.bincount(items, expected, minlength=size) / np.maximum(n_users, 1),
    )


def _others_share(items: Counts, weeks: Counts, has_sign: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for each row the share of rows with the sign among those of the same week and other items, in (0, 1)."""
    _, week = np.unique(weeks, return_inverse=True)
    _, cell = np.unique(week * (items.max(initial=0) + 1) + items, return_inverse=True)
    n_others, n_with = (
        np.bincount(week, counted)[week] - np.bincount(cell, counted)[cell]
        for counted in (np.ones(len(items)), has_sign.astype(np.float64))
    )
    share: NDArray[np.float64] = (n_with + 1) / (n_others + 2)
    return share


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
        n_new=int(users.n_new[item]),
    )
