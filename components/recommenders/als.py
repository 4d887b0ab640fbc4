"""Matrix factorisation by alternating least squares; the user vector is solved from the history at each request.

Source: Hu, Koren & Volinsky 2008, as `implicit` computes it: confidence alpha x weight for what was seen, 1 elsewhere.
"""

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from threadpoolctl import threadpool_limits

from components.contracts import Catalogue, FloatArray, IntArray, Users
from components.params import AlsParams, Params, PopularityParams
from components.recommenders.histories import history_matrix, pick
from components.recommenders.popularity import prior
from components.recommenders.storage import Stored, write_model
from components.recommenders.sums import SummedRecommender, TrainingSums


class AlsRecommender(SummedRecommender):
    """Scores are user vector times item vector; only item vectors are stored."""

    name: ClassVar[str] = "als"

    def __init__(self, params: AlsParams, popularity: PopularityParams, seed: int) -> None:
        self.params = params
        self.popularity = popularity
        self.seed = seed

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.als."""
        return cls(params.models.als, params.models.popularity, params.seed)

    @property
    def half_life_days(self) -> float:
        """Return the half-life of the popularity that breaks ties."""
        return self.popularity.half_life_days

    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Factorise the training window; the same seed gives the same vectors on any number of threads."""
        self.n_items, self.prior = sums.n_items, prior(sums, self.popularity)
        solver = self._solver()
        with threadpool_limits(1, "blas"):  # BLAS threads inside the threads of implicit are slow
            solver.fit(sums.matrix(), show_progress=False)
        self._set_factors(np.asarray(solver.item_factors, dtype=np.float32))
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return user times item vectors; without history, the popularity prior."""
        history = history_matrix(users, self.n_items, self.params.recency)
        vectors = self.users.recalculate_user(np.arange(len(users)), history)
        scores: FloatArray = vectors @ self.columns
        scores += self.prior
        return pick(scores, items)

    def save(self, folder: Path) -> None:
        """Write the item vectors and the prior."""
        settings = {"params": self.params, "popularity": self.popularity}
        write_model(folder, self.name, 1, self.n_items, settings, {"prior": self.prior, "factors": self.factors})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 1)
        model = cls(stored.section("params", AlsParams), stored.section("popularity", PopularityParams), seed=0)
        model.n_items, model.prior = stored.n_items, stored.array("prior", (stored.n_items + 1,))
        model._set_factors(stored.array("factors", (stored.n_items + 1, model.params.factors)))
        return model

    def _set_factors(self, factors: FloatArray) -> None:
        self.factors, self.columns = factors, np.ascontiguousarray(factors.T)
        self.users = self._solver()  # solves user vectors for these items
        self.users.item_factors = factors
        self.users.num_threads = 1  # one user takes 50 us, less than starting threads

    def _solver(self) -> Any:
        from implicit.als import AlternatingLeastSquares

        with threadpool_limits(1, "blas"):  # implicit warns otherwise
            return AlternatingLeastSquares(
                factors=self.params.factors,
                regularization=self.params.regularization,
                alpha=self.params.alpha,
                iterations=self.params.iterations,
                dtype=np.float32,
                random_state=self.seed,
            )
