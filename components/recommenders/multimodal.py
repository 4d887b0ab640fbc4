"""Products whose words and pictures, or other vectors, are similar to those of the user's. Scores cold items, too."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, Users
from components.errors import ContractError
from components.params import MultimodalParams, Params
from components.recommenders.content import unit_rows
from components.recommenders.histories import check_items, history_matrix, pick
from components.recommenders.storage import Stored, write_model
from components.recommenders.sums import SummedRecommender, TrainingSums
from components.recommenders.tfidf import TfidfRecommender


class MultimodalRecommender(SummedRecommender):
    """Scores are those of `tfidf`, plus `gate` times the mean cosine of the modalities that an item has.

    The cosine is to the recency-weighted mean of the history's vectors; what is missing adds nothing.
    """

    name: ClassVar[str] = "multimodal"
    scores_cold_items: ClassVar[bool] = True

    def __init__(self, params: MultimodalParams, words: TfidfRecommender) -> None:
        self.params, self.words = params, words

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.multimodal."""
        return cls(params.models.multimodal, TfidfRecommender.from_params(params))

    @property
    def half_life_days(self) -> float:
        """Return the half-life of the popularity that breaks ties."""
        return self.words.half_life_days

    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Weigh the words, and keep the vectors in float16; raises ContractError where the catalogue has none."""
        if not items.vectors:
            raise ContractError("multimodal: the products have neither pictures nor other vectors; check data.pictures")
        self.words.fit_from(sums, items)
        self._set_vectors({name: rows.astype(np.float16) for name, rows in sorted(items.vectors.items())})
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return cosines of words in [0, 1] plus at most `gate`, and a tiny popularity."""
        words, n_items = self.words.score(users, items), self.words.n_items
        history = history_matrix(users, n_items, self.params.recency)
        if items is not None:
            check_items(items, n_items, "`items`")
        cosines = np.zeros_like(words)
        for vectors in self.vectors.values():
            cosines += unit_rows(history @ vectors) @ (vectors if items is None else vectors[items]).T
        return words + self.params.gate * cosines / pick(self._n_modalities, items)

    def save(self, folder: Path) -> None:
        """Write the vectors, and the weights of the words in their own folder."""
        self.words.save(folder / "words")
        arrays = {f"vectors.{name}": rows for name, rows in self.stored.items()}
        write_model(folder, self.name, 1, self.words.n_items, {"params": self.params}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored, words = Stored(folder, cls.name, 1), TfidfRecommender.load(folder / "words")
        if words.n_items != stored.n_items:
            raise ContractError(f"{folder}: vectors of {stored.n_items} items, words of {words.n_items}; fit it again")
        model, shape = cls(stored.section("params", MultimodalParams), words), (stored.n_items + 1, None)
        model._set_vectors({
            name.removeprefix("vectors."): stored.array(name, shape, np.float16) for name in sorted(stored.arrays)
        })  # fmt: skip
        return model

    def _set_vectors(self, stored: dict[str, np.ndarray]) -> None:
        self.stored = stored
        self.vectors = {name: unit_rows(rows.astype(np.float32)) for name, rows in stored.items()}
        present = np.stack([rows.any(axis=1) for rows in self.vectors.values()])
        self._n_modalities: FloatArray = np.maximum(present.sum(axis=0), 1).astype(np.float32)[None]
