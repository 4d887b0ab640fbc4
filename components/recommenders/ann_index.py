"""Nearest vectors among very many: a graph that is walked instead of a look at all (Malkov and Yashunin 2018, HNSW)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from components.compat import translate
from components.contracts import BoolArray, FloatArray, IntArray
from components.errors import ContractError
from components.io import write_bytes
from components.params import AnnParams

FILE = "graph.safetensors"
MOST = 2000  # products that the graph is asked for; where a filter would need more of them, what passes it is compared
AT_ONCE = 50_000  # rows added at once: bounds memory


class Nearest:
    """Finds the products whose vectors are nearest: nearly all of them, which whoever asks compares exactly.

    The graph holds the vectors in eight bits: half of the size and of the time, and the comparison makes it good.
    """

    def __init__(self, graph: Any, n_items: int, knobs: AnnParams) -> None:
        self.graph, self.n_items, self.knobs = graph, n_items, knobs
        self.dim: int = graph.ndim

    @classmethod
    def build(cls, vectors: FloatArray, knobs: AnnParams) -> Self:
        """Link (n_items + 1, dim) unit vectors; row 0 and rows of zeros stay out.

        One thread: the same vectors give the same bytes.
        """
        graph = _graph(vectors.shape[1], knobs)
        for start in range(1, len(vectors), AT_ONCE):
            part = vectors[start : start + AT_ONCE]
            rows = np.flatnonzero(part.any(axis=1))
            graph.add(rows + start, part[rows], threads=1)
        return cls(graph, len(vectors) - 1, knobs)

    def around(
        self, vector: FloatArray, k: int, candidates: BoolArray | None = None, barred: IntArray | None = None
    ) -> IntArray:
        """Return item_idx in order, among which are nearly all of the k nearest candidates that are not barred.

        candidates: (n_items + 1,), None for all. Where the graph does not come to k, all candidates are returned.
        """
        barred = np.zeros(0, np.int32) if barred is None else barred
        n = k + len(barred)
        left = None if candidates is None else np.flatnonzero(candidates[1:]) + 1
        if left is not None:
            n = 2 * n * self.n_items // max(len(left), 1)
        found = None
        if n <= MOST:
            found = self.graph.search(vector, max(n, self.knobs.expansion_search), threads=1).keys
            found = np.sort(found.astype(np.int64))
            found = found if candidates is None else found[candidates[found]]
        if found is None or len(found) < min(k, self.n_items if left is None else len(left)):
            found = np.arange(1, self.n_items + 1) if left is None else left
        short: IntArray = np.setdiff1d(found, barred, assume_unique=True).astype(np.int32)
        return short

    def save(self, folder: Path) -> None:
        """Write the graph."""
        write_bytes(folder / FILE, save({"graph": np.frombuffer(self.graph.save(), np.uint8)}))

    @classmethod
    def load(cls, folder: Path, n_items: int, dim: int, knobs: AnnParams) -> Self:
        """Read what `save` wrote; raises ContractError where it is damaged or of another catalogue."""
        try:
            graph = _graph(dim, knobs)
            graph.load(translate("ann_arrays", load_file(folder / FILE))["graph"].tobytes())
            if graph.ndim != dim or len(graph) > n_items:
                raise ValueError(f"{len(graph)} rows of {graph.ndim}, expected {n_items} of {dim} at most")
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise ContractError(f"{folder}: no graph of the products ({error}); run `package` again") from None
        return cls(graph, n_items, knobs)


def _graph(dim: int, knobs: AnnParams) -> Any:
    from usearch.index import Index

    return Index(
        ndim=dim,
        metric="ip",
        dtype="i8",
        connectivity=knobs.connectivity,
        expansion_add=knobs.expansion_add,
        expansion_search=knobs.expansion_search,
    )
