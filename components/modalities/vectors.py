"""Vectors of the products of a split by modality: "picture", and the names of data.vectors.

Each modality is centred, reduced to its leading directions and scaled to length 1; a product without one has zeros.
The Projection does the same to a picture that is searched for.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from components.blas import fresh_blas_threads
from components.contracts import FloatArray
from components.data.partitions import PICTURES, VECTORS
from components.language.cache import cached_vectors
from components.modalities.encoder import PictureEncoder

log = logging.getLogger("encode")
PICTURE = "picture"


@dataclass(frozen=True)
class Projection:
    """How vectors of a modality become those that models read."""

    mean: FloatArray  # (width,)
    directions: FloatArray  # (width, dims)

    @classmethod
    def of(cls, rows: FloatArray, dims: int) -> Projection:
        """Return the projection on the leading directions of the (n, width) rows, at most `dims`."""
        mean = rows.mean(axis=0, dtype=np.float64)
        centred = rows.astype(np.float64) - mean
        _, directions = np.linalg.eigh(centred.T @ centred)  # eigenvalues ascending
        return cls(mean.astype(np.float32), directions[:, -dims:].astype(np.float32))

    def apply(self, rows: FloatArray) -> FloatArray:
        """Return (n, dims) unit rows; a row that is the mean becomes zeros."""
        projected = (rows - self.mean) @ self.directions
        length = np.linalg.norm(projected, axis=1, keepdims=True)
        unit: FloatArray = np.divide(projected, length, out=np.zeros_like(projected), where=length > 1e-6)
        return unit


def read_projection(features: Path, name: str) -> Projection | None:
    """Return the projection of a modality in a folder with items.safetensors; None where it has none."""
    from safetensors import safe_open

    with safe_open(features / "items.safetensors", "np") as file:
        if f"mean.{name}" not in file.keys():  # noqa: SIM118 not a mapping
            return None
        return Projection(file.get_tensor(f"mean.{name}"), file.get_tensor(f"directions.{name}"))


@fresh_blas_threads()
def modality_arrays(snapshot: Path, item_ids: list[str], dims: int, cache: Path) -> dict[str, np.ndarray]:
    """Return the arrays of features/items.safetensors that hold the modalities of the snapshot; empty without any.

    item_ids: of the split, "" first. Names are "vectors.NAME" (n_items + 1, dims) float16, and "mean.NAME" and
    "directions.NAME" of the projection, float32. Pictures that are in the cache are not encoded.
    """
    arrays: dict[str, np.ndarray] = {}
    row_of = {item_id: row for row, item_id in enumerate(item_ids)}
    for name, (ids, rows) in _modalities(snapshot, cache).items():
        known = [(row_of[item_id], at) for at, item_id in enumerate(ids) if item_id in row_of]
        if not known:
            log.warning("%s: no product of the split has one", name)
            continue
        at_item, at_row = np.array(known).T
        projection = Projection.of(rows[at_row], dims)
        vectors = np.zeros((len(item_ids), projection.directions.shape[1]), np.float32)
        vectors[at_item] = projection.apply(rows[at_row])
        shape = len(known), len(item_ids) - 1, vectors.shape[1], rows.shape[1]
        log.info("%s: %d of %d products, %d of %d directions", name, *shape)
        arrays[f"vectors.{name}"] = vectors.astype(np.float16)
        arrays[f"mean.{name}"], arrays[f"directions.{name}"] = projection.mean, projection.directions
    return arrays


def _modalities(snapshot: Path, cache: Path) -> dict[str, tuple[list[str], FloatArray]]:
    """Return the item ids and raw vectors of each modality in the snapshot."""
    found: dict[str, tuple[list[str], FloatArray]] = {}
    if (snapshot / PICTURES).exists():
        table = pq.read_table(snapshot / PICTURES, page_checksum_verification=True)
        if table.num_rows:
            found[PICTURE] = table["item_id"].to_pylist(), encode_pictures(table["png"].to_pylist(), cache)
    for path in sorted((snapshot / VECTORS).glob("*.parquet")):
        table = pq.read_table(path, page_checksum_verification=True)
        rows = np.array(table["vector"].to_pylist(), np.float32)
        found[path.stem] = table["item_id"].to_pylist(), rows
    return found


def encode_pictures(pngs: list[bytes], cache: Path) -> FloatArray:
    """Return (n, DIM) vectors in float16 precision; equal pictures are encoded once, those in the cache not at all."""
    encoder = PictureEncoder.load()
    keys = [hashlib.sha256(png).digest() for png in pngs]
    return cached_vectors(cache / f"{encoder.digest[:32]}.db", keys, pngs, encoder.dim, encoder.encode, "pictures")
