"""New products and queries of another meaning are far from the champion's; of the same meaning, within chance."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts import FloatArray
from components.monitoring.text_drift import (
    MAX_TEXTS,
    chance_distance,
    compare_products,
    compare_queries,
    mean_distance,
)
from tests.components.monitoring.support import SHIFT

LIMIT = 0.1


def encode(texts: Sequence[str]) -> FloatArray:
    """Return unit vectors by the first word: "tea" is the first axis, "hose" the second; the number adds a little."""
    vectors = np.zeros((len(texts), 4), np.float32)
    for row, text in enumerate(texts):
        vectors[row, 0 if text.split()[0] == "tea" else 1] = 1
        vectors[row, 2 + int(text.split()[1].rstrip(".")) % 2] = 0.5
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write(folder: Path, rows: dict[str, list[object]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), folder / "part-0.parquet", write_page_checksum=True)
    return folder / "part-0.parquet"


def products(word: str, first: int, n: int) -> dict[str, list[object]]:
    numbers = range(first, first + n)
    nothing: list[object] = [None] * n
    columns: dict[str, list[object]] = {"brand": nothing, "category": ["x"] * n, "description": [""] * n}
    return {"item_id": [f"sku-{i}" for i in numbers], "title": [f"{word} {i}" for i in numbers], **columns}


def test_distances_by_hand() -> None:
    a, b = np.array([[1, 0], [0, 1]], np.float32), np.array([[1, 0], [1, 0]], np.float32)
    assert mean_distance(a, b) == pytest.approx(np.hypot(0.5, 0.5))
    assert mean_distance(a, a) == 0
    assert chance_distance(b, b, 1) == 0
    few, many = (np.tile(a, (n, 1)) for n in (20, 2000))
    assert chance_distance(many, many, 1) < chance_distance(few, few, 1) / 5


@pytest.mark.parametrize(("word", "drifted"), [("tea", False), ("hose", True)])
def test_new_products_are_compared_with_those_of_the_champion(tmp_path: Path, word: str, drifted: bool) -> None:
    old = products("tea", 0, 50)
    known = write(tmp_path / "bundle", {"item_id": old["item_id"]})
    new = products(word, 50, 40)
    write(tmp_path / "snapshot/products", {name: old[name] + new[name] for name in old})
    vectors = np.concatenate([np.zeros((1, 4), np.float32), encode([str(t) for t in old["title"]])])
    found = compare_products(tmp_path / "snapshot", known, vectors, encode, LIMIT, 1)
    assert found.name == "product_text"
    assert found.distance == pytest.approx(np.hypot(1, 1) / np.hypot(1, 0.5) if drifted else 0, abs=1e-6)
    assert (found.distance > found.limit) == drifted
    assert found == compare_products(tmp_path / "snapshot", known, vectors, encode, LIMIT, 1)


def test_few_new_products_are_not_compared_and_not_encoded(tmp_path: Path) -> None:
    old = products("tea", 0, 50)
    known = write(tmp_path / "bundle", {"item_id": list(old["item_id"][21:])})
    write(tmp_path / "snapshot/products", old)

    def refuse(texts: Sequence[str]) -> FloatArray:
        raise AssertionError(texts)

    found = compare_products(tmp_path / "snapshot", known, np.ones((50, 4), np.float32), refuse, LIMIT, 1)
    assert (found.distance, found.why) == (None, "there are 21 new texts, needed are 30")


def test_queries_of_two_windows(tmp_path: Path) -> None:
    as_of = SHIFT + timedelta(days=14)
    times = [(SHIFT - timedelta(hours=h)).replace(tzinfo=None) for h in range(1, 201)]
    times += [(as_of - timedelta(hours=h)).replace(tzinfo=None) for h in range(1, 201)]
    queries: list[object] = [f"tea {i}" for i in range(200)] + [f"hose {i}" for i in range(200)]
    write(tmp_path / "searches", {"query": queries, "timestamp": list(times)})
    sizes: list[int] = []

    def counted(texts: Sequence[str]) -> FloatArray:
        sizes.append(len(texts))
        return encode(texts)

    found = compare_queries(tmp_path, SHIFT, as_of, 14, counted, LIMIT, 1)
    assert found.distance == pytest.approx(np.hypot(1, 1) / np.hypot(1, 0.5), abs=0.05)
    assert found.distance > found.limit
    assert sizes == [MAX_TEXTS, MAX_TEXTS]
    same = compare_queries(tmp_path, SHIFT, SHIFT, 14, encode, LIMIT, 1)
    assert same.distance == 0
    shopless = compare_queries(tmp_path / "none", SHIFT, as_of, 14, encode, LIMIT, 1)
    assert (shopless.distance, shopless.why) == (None, "the reference has 0 queries, needed are 30")
