"""Products that share rare words with the user's products. Scores cold items, too."""

from collections import Counter
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags

from components.contracts import Catalogue, FloatArray, IntArray, Users
from components.language.words import words
from components.params import Params, PopularityParams, TfidfParams
from components.recommenders.histories import Matrix, check_items, history_matrix
from components.recommenders.popularity import prior
from components.recommenders.storage import Stored, matrix_arrays, write_model
from components.recommenders.sums import SummedRecommender, TrainingSums


class TfidfRecommender(SummedRecommender):
    """Scores are cosines of an item's TF-IDF vector to the recency-weighted sum of the history's.

    Chinese texts are split into characters and pairs of characters, other texts into folded words without stop words.
    """

    name: ClassVar[str] = "tfidf"
    scores_cold_items: ClassVar[bool] = True

    def __init__(self, params: TfidfParams, popularity: PopularityParams) -> None:
        self.params, self.popularity = params, popularity

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.tfidf."""
        return cls(params.models.tfidf, params.models.popularity)

    @property
    def half_life_days(self) -> float:
        """Return the half-life of the popularity that breaks ties."""
        return self.popularity.half_life_days

    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Weigh the words of the catalogue's texts."""
        self.n_items, self.prior = sums.n_items, prior(sums, self.popularity)
        vectors, self.idf = tfidf_vectors(items.text, self.params.max_share)
        self._set_vectors(vectors)
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return cosines in [0, 1]; 0 and a tiny popularity for items without text and users without history."""
        profiles = _unit_rows(history_matrix(users, self.n_items, self.params.recency) @ self.vectors)
        if items is None:
            scores: FloatArray = (profiles @ self._columns).toarray()
            return scores + self.prior
        check_items(items, self.n_items, "`items`")
        some: FloatArray = (profiles @ self.vectors[items].T).toarray()
        return some + self.prior[items]

    def save(self, folder: Path) -> None:
        """Write the vectors and the prior."""
        settings = {"params": self.params, "popularity": self.popularity}
        arrays = {"prior": self.prior, "idf": self.idf, **matrix_arrays("vectors", self.vectors)}
        write_model(folder, self.name, 1, self.n_items, settings, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 1)
        model = cls(stored.section("params", TfidfParams), stored.section("popularity", PopularityParams))
        model.n_items, model.prior = stored.n_items, stored.array("prior", (stored.n_items + 1,))
        model.idf = stored.array("idf", (None,))
        model._set_vectors(stored.sparse("vectors", len(model.idf)))
        return model

    def _set_vectors(self, vectors: Matrix) -> None:
        self.vectors, self._columns = vectors, vectors.T.tocsr()


def tfidf_vectors(texts: list[str], max_share: float) -> tuple[Matrix, FloatArray]:
    """Return (n_items + 1, n_words) unit rows of (1 + log count) * idf, and the words' idf, log(n / items with it).

    Words of one item alone, and of more than max_share of the items, are left out; row 0 and textless items are empty.
    The columns are in the order of the words: the same texts give the same bytes.
    """
    counts = [Counter(words(text)) for text in texts]
    found = Counter(word for count in counts for word in count)
    limit = max(2.0, max_share * (len(texts) - 1))
    columns = {word: column for column, word in enumerate(sorted(w for w, n in found.items() if 2 <= n <= limit))}
    rows = [sorted((columns[word], n) for word, n in count.items() if word in columns) for count in counts]
    indptr = np.cumsum([0, *map(len, rows)])
    indices = np.array([column for row in rows for column, _ in row], np.int32)
    data = 1 + np.log(np.array([n for row in rows for _, n in row], np.float64))
    idf = np.log((len(texts) - 1) / np.array([found[word] for word in columns], np.float64)) if columns else np.ones(1)
    matrix = csr_matrix((data * idf[indices], indices, indptr), shape=(len(texts), max(1, len(columns))))
    return _unit_rows(matrix).astype(np.float32), idf.astype(np.float32)


def _unit_rows(matrix: Matrix) -> Matrix:
    """Return the rows at length 1; empty rows stay empty."""
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return (diags(scale.astype(matrix.dtype)) @ matrix).tocsr()
