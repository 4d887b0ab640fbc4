"""Buy again: what the user took often and lately. For shops of repeat purchases, where seen items may be listed."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, Users
from components.params import BuyAgainParams, Params, PopularityParams
from components.recommenders.histories import check_items, pick, signed
from components.recommenders.storage import Stored, write_model
from components.recommenders.sums import SummedRecommender, TrainingSums
from components.times import DAY_US


class BuyAgainRecommender(SummedRecommender):
    """Scores are the user's own events on an item, decayed back from the user's newest, plus a share of its popularity.

    Source: the personal frequency of Hu et al. 2020 (SIGIR) and Li et al. 2023 (TOIS), with exponential decay.
    """

    name: ClassVar[str] = "buy_again"
    counts_anonymous_events: ClassVar[bool] = True

    def __init__(self, params: BuyAgainParams, popularity: PopularityParams) -> None:
        self.params, self.popularity = params, popularity

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.buy_again."""
        return cls(params.models.buy_again, params.models.popularity)

    @property
    def half_life_days(self) -> float:
        """Return the half-life of the popularity that ranks what the user never took."""
        return self.popularity.half_life_days

    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Count the popularity, which ranks what the user never took."""
        self.n_items = sums.n_items
        self.prior = self.params.popularity * sums.popularity(self.half_life_days)
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return weighted, decayed events on each item, returns subtracted, at least 0, plus its prior."""
        history = users.history
        check_items(history.item_idx, self.n_items, "a history", lowest=1)
        newest = np.maximum.reduceat(np.append(history.timestamp, 0), history.offsets[:-1])
        age_days = (np.repeat(newest, history.lengths) - history.timestamp) / DAY_US
        weight = signed(history.event, history.weight) * np.exp2(-age_days / self.params.half_life_days)
        n_columns = self.n_items + 1
        cells = history.rows.astype(np.int64) * n_columns + history.item_idx
        own = np.bincount(cells, weight, len(users) * n_columns).reshape(len(users), n_columns)
        return pick(own.clip(min=0).astype(np.float32) + self.prior, items)

    def save(self, folder: Path) -> None:
        """Write one number per item."""
        settings = {"params": self.params, "popularity": self.popularity}
        write_model(folder, self.name, 1, self.n_items, settings, {"prior": self.prior})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 1)
        model = cls(stored.section("params", BuyAgainParams), stored.section("popularity", PopularityParams))
        model.n_items = stored.n_items
        model.prior = stored.array("prior", (stored.n_items + 1,))
        return model
