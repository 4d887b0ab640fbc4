"""A model that answers in the item numbers of another split: how an old champion is asked about today's catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.recommenders.base import BaseRecommender


class CatalogueAdapter(BaseRecommender):
    """Named "champion". Events on items that the model does not know leave the history; such items enter no list."""

    name: ClassVar[str] = "champion"

    def __init__(self, model: Recommender, index: Mapping[str, int], item_ids: Sequence[str]) -> None:
        """index: the shop's item_id -> the model's item_idx. item_ids: today's, row = item_idx, "" at 0."""
        self.model = model
        self.batch_users = getattr(model, "batch_users", self.batch_users)
        self.theirs = np.array([index.get(name, 0) for name in item_ids], dtype=np.int32)  # (n_items + 1,)
        self.theirs[0] = 0
        self.known = np.flatnonzero(self.theirs)  # our item_idx of the items that both know

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return (n_users, n_items + 1) scores in our numbering; -inf for padding and items unknown to the model."""
        scores = self.model.score(self._translate(users))
        ours = np.full((len(users), len(self.theirs)), -np.inf, dtype=np.float32)
        ours[:, self.known] = scores[:, self.theirs[self.known]]
        return ours if items is None else ours[:, items]

    def _translate(self, users: Users) -> Users:
        history = users.history
        items = self.theirs[history.item_idx]
        known = replace(history, item_idx=items).filter(items > 0)
        return Users(np.zeros(len(users), dtype=np.int32), known, users.now)

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Refuse: a champion is compared as it was shipped."""
        raise NotImplementedError("a champion is compared as it was shipped; fit another model")

    def save(self, folder: Path) -> None:
        """Refuse: the bundle itself is what is kept."""
        raise NotImplementedError("the bundle itself is what is kept")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Refuse: open the bundle and translate it."""
        raise NotImplementedError("open the bundle and call `adapt_to_catalogue`")
