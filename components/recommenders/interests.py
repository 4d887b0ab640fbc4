"""Popular in the user's categories: few parameters to estimate, so little data is enough."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, Users
from components.params import InterestsParams, Params
from components.recommenders.histories import check_items, history_matrix, pick
from components.recommenders.storage import Stored, write_model
from components.recommenders.sums import SummedRecommender, TrainingSums


class InterestsRecommender(SummedRecommender):
    """Scores are the user's share of a category times the item's share within it.

    A category is a complete path in one language; products without one form their own category.
    """

    name: ClassVar[str] = "interests"
    counts_anonymous_events: ClassVar[bool] = True

    def __init__(self, params: InterestsParams) -> None:
        self.params = params

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.interests."""
        return cls(params.models.interests)

    @property
    def half_life_days(self) -> float:
        """Return the half-life of the popularity that ranks the items of a category."""
        return self.params.half_life_days

    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Count sales by category; `smoothing` times the mean item's sales are added to every item.

        With split.exposure what was shown counts, too.
        """
        self.n_items = sums.n_items
        sold = sums.popularity(self.half_life_days, with_shown=True).astype(np.float64)
        sold[1:] += self.params.smoothing * sold[1:].mean()
        names = list(zip(items.category, items.language, strict=True))[1:]
        codes = {name: code for code, name in enumerate(sorted(set(names)))}
        self.category = np.array([0, *(codes[name] for name in names)], np.int32)
        total = np.bincount(self.category[1:], sold[1:], len(codes))
        within = sold / total[self.category]
        within[0] = 0.0
        self._set_shares(within.astype(np.float32), (total / total.sum()).astype(np.float32))
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return the probability of each item in [0, 1]; without history, its share of all sales."""
        history = history_matrix(users, self.n_items, self.params.recency)
        n = len(self.share)
        cell = np.repeat(np.arange(len(users)), np.diff(history.indptr)) * n + self.category[history.indices]
        weight = np.bincount(cell, history.data, len(users) * n).reshape(-1, n)  # (n_users, n_categories)
        total = weight.sum(axis=1, keepdims=True)
        share = (weight + self.params.prior * self.share) / (total + self.params.prior)
        return pick(share[:, self.category].astype(np.float32) * self.within, items)

    def save(self, folder: Path) -> None:
        """Write each item's category and share, and each category's share."""
        arrays = {"category": self.category, "within": self.within, "share": self.share}
        write_model(folder, self.name, 1, self.n_items, {"params": self.params}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 1)
        model = cls(stored.section("params", InterestsParams))
        model.n_items = stored.n_items
        model.category = stored.array("category", (stored.n_items + 1,), np.int32)
        share = stored.array("share", (None,))
        check_items(model.category, len(share) - 1, f"{folder}: array 'category'")
        model._set_shares(stored.array("within", (stored.n_items + 1,)), share)
        return model

    def _set_shares(self, within: FloatArray, share: FloatArray) -> None:
        self.within, self.share = within, share
