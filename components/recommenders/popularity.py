"""Decayed popularity: the same list for every user. Also the prior that other models fall back on."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Users
from components.params import Params, PopularityParams
from components.recommenders.histories import check_items, pick
from components.recommenders.storage import Stored, write_model
from components.recommenders.sums import SummedRecommender, TrainingSums

PRIOR = 1e-6  # far below any model's scores: it only breaks ties


class PopularityRecommender(SummedRecommender):
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

    @property
    def half_life_days(self) -> float:
        """Return models.popularity.half_life_days."""
        return self.params.half_life_days

    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Take the decayed sums of all events, those of anonymous visitors too."""
        self.n_items, self.popularity = sums.n_items, sums.popularity(self.half_life_days)
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
    return TrainingSums.of(interactions, [half_life_days]).popularity(half_life_days)


def prior(events: Interactions | TrainingSums, popularity: PopularityParams) -> FloatArray:
    """Return (n_items + 1,) tiny scores in order of popularity: what a model adds to break ties."""
    days = popularity.half_life_days
    found = events.popularity(days) if isinstance(events, TrainingSums) else decayed_popularity(events, days)
    return PRIOR * found
