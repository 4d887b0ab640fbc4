"""A model that takes and returns the item_idx of another split: how the champion is evaluated on today's catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.recommenders.base import BaseRecommender


class CatalogueAdapter(BaseRecommender):
    """Named "champion". Events on items that the model does not know are dropped; such items are never recommended."""

    name: ClassVar[str] = "champion"

    def __init__(self, model: Recommender, index: Mapping[str, int], item_ids: Sequence[str]) -> None:
        """index: the shop's item_id -> the model's item_idx. item_ids: this split's, row = item_idx, "" at 0."""
        self.model = model
        self.batch_users = getattr(model, "batch_users", self.batch_users)
        self.model_idx = np.array([index.get(name, 0) for name in item_ids], dtype=np.int32)  # (n_items + 1,)
        self.model_idx[0] = 0
        self.known_idx = np.flatnonzero(self.model_idx)  # item_idx (this split's) of the items that the model knows

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return (n_users, n_items + 1) scores by this split's item_idx; -inf for padding and unknown items."""
        scores = self.model.score(self._translate(users))
        adapted = np.full((len(users), len(self.model_idx)), -np.inf, dtype=np.float32)
        adapted[:, self.known_idx] = scores[:, self.model_idx[self.known_idx]]
        return adapted if items is None else adapted[:, items]

    def _translate(self, users: Users) -> Users:
        history = users.history
        items = self.model_idx[history.item_idx]
        known = replace(history, item_idx=items).filter(items > 0)
        return Users(np.zeros(len(users), dtype=np.int32), known, users.now)

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Raise: a champion is compared as it was shipped."""
        raise NotImplementedError("a champion is compared as it was shipped; fit another model")

    def save(self, folder: Path) -> None:
        """Raise: the bundle is stored already."""
        raise NotImplementedError("the bundle is stored already; nothing to save")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raise: open the bundle and adapt it."""
        raise NotImplementedError("open the bundle and call `adapt_to_catalogue`")
