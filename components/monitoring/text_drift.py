"""Drift of texts: products and queries that are new since the champion, by the vectors of its own language model.

The distance is that between the mean unit vectors of both samples, 0 to 2. Its limit is `drift.max_distance`, or the
distance that chance explains where that is larger: that of random halves of both samples together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.contracts import FloatArray
from components.data.partitions import partitions, read_table
from components.data.tables import join_without_repeats

if TYPE_CHECKING:
    import pyarrow as pa

Encode = Callable[[Sequence[str]], FloatArray]  # texts -> (n, dim) unit vectors

MAX_TEXTS = 100  # texts of a sample that are encoded
MAX_VECTORS = 2000  # of the champion's products
MIN_TEXTS = 30  # below, a sample is not compared
ROUNDS = 100  # random halves
DEVIATIONS = 3.0  # standard deviations above their mean distance up to which chance explains a distance


@dataclass(frozen=True)
class Shift:
    """How far the texts of one kind, or the champion's lists, have moved."""

    name: str  # "product_text", "query_text" or "predicted_items"
    distance: float | None  # None: not compared
    limit: float
    why: str  # it is not compared


def compare_products(
    snapshot: Path, known: Path, vectors: FloatArray, encode: Encode, limit: float, seed: int
) -> Shift:
    """Compare the products that items.parquet of the champion does not know with `vectors`, those of its products."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ("item_id", "title", "brand", "category", "description")
    ids = pq.read_table(known, columns=["item_id"], page_checksum_verification=True)["item_id"]
    products = read_table(snapshot, "products", columns)
    new = products.filter(pc.invert(pc.is_in(products["item_id"], pa.array(ids.to_pylist(), pa.string()))))
    rows = _pick(new.drop_columns("item_id"), seed).to_pylist()
    texts = [join_without_repeats([value or "" for value in row.values()]) for row in rows]
    own = vectors[np.linalg.norm(vectors, axis=1) > 0]
    own = own[np.random.default_rng(seed).permutation(len(own))[:MAX_VECTORS]]
    return _compare("product_text", own, texts, encode, limit, seed)


def compare_queries(
    snapshot: Path, reference_end: datetime, as_of: datetime, days: float, encode: Encode, limit: float, seed: int
) -> Shift:
    """Compare the queries of the `days` before as_of with those of the `days` before the reference's end."""
    samples = []
    for end in (reference_end, as_of):
        texts: list[str] = []
        if partitions(snapshot, "searches"):
            rows = read_table(snapshot, "searches", ("query",), end - timedelta(days=days), end)
            texts = [text for text in _pick(rows, seed)["query"].to_pylist() if text]
        samples.append(texts)
    if len(samples[0]) < MIN_TEXTS:
        return Shift("query_text", None, limit, f"the reference has {len(samples[0])} queries, needed are {MIN_TEXTS}")
    return _compare("query_text", encode(samples[0]), samples[1], encode, limit, seed)


def mean_distance(a: FloatArray, b: FloatArray) -> float:
    """Return the distance between the means of two sets of vectors, (n, dim) and (m, dim)."""
    return float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))


def chance_distance(a: FloatArray, b: FloatArray, seed: int) -> float:
    """Return the distance that chance explains between two samples of these sizes from one distribution."""
    rng, both = np.random.default_rng(seed), np.concatenate([a, b])
    found = []
    for _ in range(ROUNDS):
        order = rng.permutation(len(both))
        found.append(mean_distance(both[order[: len(a)]], both[order[len(a) :]]))
    return float(np.mean(found) + DEVIATIONS * np.std(found))


def _compare(name: str, own: FloatArray, texts: list[str], encode: Encode, limit: float, seed: int) -> Shift:
    if len(texts) < MIN_TEXTS or len(own) < MIN_TEXTS:
        return Shift(name, None, limit, f"there are {len(texts)} new texts, needed are {MIN_TEXTS}")
    new = encode(texts)
    return Shift(name, mean_distance(own, new), max(limit, chance_distance(own, new, seed)), "")


def _pick(rows: pa.Table, seed: int) -> pa.Table:
    """Return at most MAX_TEXTS rows, drawn without replacement, in their order."""
    n = rows.num_rows
    return rows.take(np.sort(np.random.default_rng(seed).choice(n, min(n, MAX_TEXTS), replace=False)))
