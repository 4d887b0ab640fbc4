"""Decayed popularity: the same list for every user. Also the prior that other models fall back on."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Users
from components.errors import ContractError
from components.params import Params, PopularityParams
from components.recommenders.base import BaseRecommender
from components.recommenders.histories import check_items, pick, signed
from components.recommenders.storage import Stored, write_model
from components.times import DAY_US

PRIOR = 1e-6  # far below any model's scores: it only breaks ties


class PopularityRecommender(BaseRecommender):
    """Weighted events per item; the weight halves every `half_life_days`."""

    name: ClassVar[str] = "popularity"
    is_personal: ClassVar[bool] = False
    counts_anonymous_events: ClassVar[bool] = True

    def __init__(self, params: PopularityParams) -> None:
        self.params = params

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.popularity."""
        return cls(params.models.popularity)

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Count all events, those of anonymous visitors too."""
        self.n_items = interactions.n_items
        self.popularity = decayed_popularity(interactions, self.params.half_life_days)
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return each item's popularity, in [0, 1], for every user."""
        check_items(users.history.item_idx, self.n_items, "a history", lowest=1)
        return pick(np.tile(self.popularity, (len(users), 1)), items)

    def save(self, folder: Path) -> None:
        """Write one number per item."""
        write_model(folder, self.name, 1, self.n_items, {"params": self.params}, {"popularity": self.popularity})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 1)
        model = cls(stored.section("params", PopularityParams))
        model.n_items = stored.n_items
        model.popularity = stored.array("popularity", (stored.n_items + 1,))
        return model


def decayed_popularity(interactions: Interactions, half_life_days: float) -> FloatArray:
    """Return (n_items + 1,) in [0, 1]: decayed weights per item, returns subtracted, divided by the largest."""
    if not len(interactions):
        raise ContractError("the training window has no events; widen it, or check the source of `events`")
    check_items(interactions.item_idx, interactions.n_items, "the training window", lowest=1)
    age_days = (interactions.now - interactions.timestamp) / DAY_US
    weight = signed(interactions.event, interactions.weight) * np.exp2(-age_days / half_life_days)
    counts = np.bincount(interactions.item_idx, weight, interactions.n_items + 1).clip(min=0)
    popularity: FloatArray = (counts / max(counts.max(), np.finfo(np.float64).tiny)).astype(np.float32)
    return popularity


def prior(interactions: Interactions, popularity: PopularityParams) -> FloatArray:
    """Return (n_items + 1,) tiny scores in order of popularity: what a model adds to break ties."""
    return PRIOR * decayed_popularity(interactions, popularity.half_life_days)
