"""ANN index: approximate nearest neighbours of vectors in a large catalogue (HNSW, Malkov and Yashunin 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from components.compat import translate
from components.contracts import BoolArray, FloatArray, IntArray, Ranked
from components.errors import ContractError
from components.io import write_bytes
from components.params import AnnParams
from components.recommenders.top_k import top_k

FILE, OLD_FILE = "index.safetensors", "graph.safetensors"  # the old name: bundles of version 0.1
MAX_CANDIDATES = 2000  # of one search of the index; where a filter needs more, all items that pass it are compared
BATCH = 50_000  # rows added at once: bounds memory


class AnnIndex:
    """An index that finds nearly all of the nearest vectors; callers compare its candidates exactly (`nearest`).

    It holds the vectors in eight bits, which halves size and time; the exact comparison makes up for the precision.
    """

    def __init__(self, index: Any, n_items: int, params: AnnParams) -> None:
        self.index, self.n_items, self.params = index, n_items, params
        self.dim: int = index.ndim

    @classmethod
    def build(cls, vectors: FloatArray, params: AnnParams) -> Self:
        """Index (n_items + 1, dim) unit vectors; row 0 and rows of zeros are left out.

        One thread: the same vectors give the same bytes.
        """
        index = _empty_index(vectors.shape[1], params)
        for start in range(1, len(vectors), BATCH):
            part = vectors[start : start + BATCH]
            rows = np.flatnonzero(part.any(axis=1))
            index.add(rows + start, part[rows], threads=1)
        return cls(index, len(vectors) - 1, params)

    def nearest(
        self,
        query: FloatArray,
        vectors: FloatArray,
        k: int,
        candidates: BoolArray | None = None,
        excluded: IntArray | None = None,
        prior: FloatArray | None = None,
    ) -> Ranked:
        """Return one list, (1, at most k), of the items whose vectors have the largest product with query (dim,).

        vectors: (n_items + 1, dim) in full precision. candidates and excluded: see `search`.
        prior: (n_items + 1,) added to the products; without it, items without a vector are left out.
        """
        found = self.search(query, k, candidates, excluded)
        if prior is None:
            found = found[vectors[found].any(axis=1)]
        scores = vectors[found] @ query
        best = top_k((scores if prior is None else scores + prior[found])[None], k)
        return Ranked(np.where(np.isneginf(best.scores), 0, found[best.items]), best.scores)

    def search(
        self, query: FloatArray, k: int, candidates: BoolArray | None = None, excluded: IntArray | None = None
    ) -> IntArray:
        """Return item_idx, ascending, that contain nearly all of the k nearest candidates that are not excluded.

        candidates: (n_items + 1,), None for all. Where the index finds fewer than k, all candidates are returned.
        """
        excluded = np.zeros(0, np.int32) if excluded is None else excluded
        n = k + len(excluded)
        allowed = None if candidates is None else np.flatnonzero(candidates[1:]) + 1
        if allowed is not None:
            n = 2 * n * self.n_items // max(len(allowed), 1)
        found = None
        if n <= MAX_CANDIDATES:
            found = self.index.search(query, max(n, self.params.expansion_search), threads=1).keys
            found = np.sort(found.astype(np.int64))
            found = found if candidates is None else found[candidates[found]]
        if found is None or len(found) < min(k, self.n_items if allowed is None else len(allowed)):
            found = np.arange(1, self.n_items + 1) if allowed is None else allowed
        rest: IntArray = np.setdiff1d(found, excluded, assume_unique=True).astype(np.int32)
        return rest

    def save(self, folder: Path) -> None:
        """Write the index."""
        write_bytes(folder / FILE, save({"index": np.frombuffer(self.index.save(), np.uint8)}))

    @classmethod
    def load(cls, folder: Path, n_items: int, dim: int, params: AnnParams) -> Self:
        """Read what `save` wrote; raises ContractError where it is damaged or of another catalogue."""
        try:
            index = _empty_index(dim, params)
            file = folder / FILE if (folder / FILE).exists() else folder / OLD_FILE
            index.load(translate("ann_arrays", load_file(file))["index"].tobytes())
            if index.ndim != dim or len(index) > n_items:
                raise ValueError(f"{len(index)} rows of {index.ndim}, expected at most {n_items} of {dim}")
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise ContractError(f"{folder}: no ANN index of the products ({error}); run `package` again") from None
        return cls(index, n_items, params)


def _empty_index(dim: int, params: AnnParams) -> Any:
    from usearch.index import Index

    return Index(
        ndim=dim,
        metric="ip",
        dtype="i8",
        connectivity=params.connectivity,
        expansion_add=params.expansion_add,
        expansion_search=params.expansion_search,
    )
