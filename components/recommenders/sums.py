"""What the closed-form models learn from events: sums, to which events can be added and from which they can be taken.

    cells    summed weights of each user's events on each item, returns subtracted: neighbours, ALS and EASE
    decayed  summed weights of each item, each halved per half-life up to `now`: popularity, and all that rank by it
    count    events of each item
    shown    the same sums of impressions, without cells

Sums of the same events are equal in whatever order these came: float64 sums of float32 weights are exact up to 2^28
events, those of `decayed` up to the last bits. A model of sums is therefore that of a full fit.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.errors import ContractError
from components.recommenders.base import BaseRecommender
from components.recommenders.histories import Matrix, cell_matrix, check_items, signed, sum_cells
from components.times import DAY_US

Sums = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingSums:
    """The sums of some events; `add` and `subtract` return others."""

    n_users: int  # without the padding row
    n_items: int
    now: int  # end of the window (us)
    cells: NDArray[np.int64]  # (n_cells,) user_idx * (n_items + 1) + item_idx, ascending; anonymous events have none
    total: Sums  # (n_cells,)
    count: NDArray[np.int64]  # (n_items + 1,)
    decayed: dict[float, Sums]  # half-life in days -> (n_items + 1,)
    shown: TrainingSums | None = None  # of what users were shown; None: no impression was read

    @classmethod
    def of(cls, events: Interactions, half_lives: Iterable[float] = ()) -> Self:
        """Return the sums of these events, with `decayed` for each half-life (days).

        Raises ContractError for no events, or items that are not in 1..n_items.
        """
        if not len(events):
            raise ContractError("the training window has no events; widen it, or check the source of `events`")
        size = events.n_items + 1
        none = np.zeros(0, np.int64), np.zeros(0), np.zeros(size, np.int64)
        empty = cls(events.n_users, events.n_items, events.now, *none, {days: np.zeros(size) for days in half_lives})
        return empty.add(events)

    def add(self, events: Interactions) -> Self:
        """Return the sums with these events, as of the later end of both.

        Users and items keep their index; events may have further ones behind them.
        """
        return replace(self._grown(events)._changed(events, 1), shown=self._shown_with(events))

    def subtract(self, events: Interactions) -> Self:
        """Return the sums without these events, which are among them; raises ContractError where they cannot be."""
        shown = self.shown
        if shown is not None and events.shown is not None:
            shown = shown.subtract(_anonymous(events.shown))
        return replace(self._changed(replace(events, now=self.now), -1), shown=shown)

    def drop_users(self, users: IntArray) -> Self:
        """Return the sums as of a training window without these users, whose events have been subtracted.

        The users behind them move up, as `split` would number them.
        """
        rows, items = np.divmod(self.cells, self.n_items + 1)
        if np.isin(rows, users).any():
            raise ContractError("users to be dropped have events in the sums; subtract these first")
        moved = rows - np.searchsorted(np.unique(users), rows)
        return replace(self, n_users=self.n_users - len(np.unique(users)), cells=moved * (self.n_items + 1) + items)

    def matrix(self) -> Matrix:
        """Return (n_users + 1, n_items + 1) float32: the positive sums of each user's events on each item."""
        return cell_matrix(self.cells, self.total, (self.n_users + 1, self.n_items + 1))

    def popularity(self, half_life_days: float, with_shown: bool = False) -> FloatArray:
        """Return (n_items + 1,) in [0, 1]: decayed weights per item divided by the largest; negative ones are 0.

        with_shown: the weights of impressions count, too.
        """
        sums = self.decayed[half_life_days].clip(min=0)
        if with_shown and self.shown is not None:
            sums = sums + self.shown.decayed[half_life_days]
        popularity: FloatArray = (sums / max(sums.max(), np.finfo(np.float64).tiny)).astype(np.float32)
        return popularity

    def _grown(self, events: Interactions) -> Self:
        """Return the same sums with room for the users and items of these events, as of their end if it is later."""
        n_items, now = max(self.n_items, events.n_items), max(self.now, events.now)
        rows, items = np.divmod(self.cells, self.n_items + 1)
        more = (0, n_items - self.n_items)
        decay = {days: np.exp2((self.now - now) / DAY_US / days) for days in self.decayed}
        return replace(
            self,
            n_users=max(self.n_users, events.n_users),
            n_items=n_items,
            now=now,
            cells=rows * (n_items + 1) + items,
            count=np.pad(self.count, more),
            decayed={days: np.pad(sums * decay[days], more) for days, sums in self.decayed.items()},
        )

    def _shown_with(self, events: Interactions) -> TrainingSums | None:
        """Return the sums of impressions with those of these events, as of the later end of both."""
        if events.shown is None or not len(events.shown):
            return None if self.shown is None else self.shown._grown(events)
        if self.shown is None:
            end = max(self.now, events.now)
            return TrainingSums.of(replace(_anonymous(events.shown), now=end), self.decayed)
        return self.shown.add(_anonymous(events.shown))

    def _changed(self, events: Interactions, sign: int) -> Self:
        check_items(events.item_idx, self.n_items, "the training window", lowest=1)
        size = self.n_items + 1
        weight = sign * signed(events.event, events.weight).astype(np.float64)
        count = self.count + sign * np.bincount(events.item_idx, minlength=size)
        if (count < 0).any():
            raise ContractError(f"sums: {-count[count < 0].sum()} events to be subtracted are not among the sums")
        age_days = (self.now - events.timestamp) / DAY_US
        decayed = {}
        for days, sums in self.decayed.items():
            changed = sums + np.bincount(events.item_idx, weight * np.exp2(-age_days / days), size)
            decayed[days] = np.where(count > 0, changed, 0)  # no rest of rounding where no event is left
        known = events.user_idx > 0
        cells, total = sum_cells(events.user_idx[known], events.item_idx[known], weight[known], size)
        return replace(self, count=count, decayed=decayed, **_merged(self.cells, self.total, cells, total))


class SummedRecommender(BaseRecommender):
    """A model in closed form: what it learns from events is in their TrainingSums."""

    @property
    @abstractmethod
    def half_life_days(self) -> float:
        """Return the half-life of the decayed sums that the model reads."""

    @abstractmethod
    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Learn from sums that hold `decayed` for this model's half-life."""

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Learn from the sums of the interactions; the validation users are not read."""
        return self.fit_from(TrainingSums.of(interactions, [self.half_life_days]), items)


def sums_for(models: Iterable[Recommender], events: Interactions) -> TrainingSums:
    """Return the sums of these events that all closed-form models among these need."""
    return TrainingSums.of(events, {m.half_life_days for m in models if isinstance(m, SummedRecommender)})


def training_matrix(interactions: Interactions) -> Matrix:
    """Return (n_users + 1, n_items + 1): summed weights of each user's events on each item, returns subtracted.

    Row 0 is empty: anonymous events belong to no user. An item whose purchases were all returned has no entry.
    """
    return TrainingSums.of(interactions).matrix()


def _anonymous(events: Interactions) -> Interactions:
    """Return the events as those of nobody: they count for items, and have no cells."""
    return replace(events, user_idx=np.zeros_like(events.user_idx), n_users=0)


def _merged(cells: NDArray[np.int64], total: Sums, more: NDArray[np.int64], change: Sums) -> dict[str, Any]:
    """Return the cells and totals with the changes of `more`; cells whose total is 0 are left out."""
    at = np.searchsorted(cells, more)
    is_new = np.append(cells, -1)[at] != more
    changed = total.copy()
    changed[at[~is_new]] += change[~is_new]
    cells, changed = np.insert(cells, at[is_new], more[is_new]), np.insert(changed, at[is_new], change[is_new])
    return {"cells": cells[changed != 0], "total": changed[changed != 0]}
