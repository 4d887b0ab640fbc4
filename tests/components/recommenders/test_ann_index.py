"""The graph of products: nearly what an exhaustive look finds, under filters exactly it, the same bytes each time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import AnnParams, ContentParams, PopularityParams
from components.recommenders.ann_index import Nearest
from components.recommenders.content import ContentRecommender, unit_rows

World = tuple[Interactions, Catalogue, Users]
KNOBS = AnnParams(min_items=1, connectivity=16, expansion_add=128, expansion_search=128)
N, DIM = 4000, 24


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Clusters on the sphere; products 1 to 9 have no text."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, DIM))[rng.integers(0, 60, N + 1)] + 0.5 * rng.standard_normal((N + 1, DIM))
    rows[:10] = 0
    return unit_rows(rows.astype(np.float32))


@pytest.fixture(scope="module")
def graph(vectors: np.ndarray) -> Nearest:
    return Nearest.build(vectors, KNOBS)


def exact(vectors: np.ndarray, query: np.ndarray, k: int, allowed: np.ndarray) -> np.ndarray:
    scores = np.where(allowed, vectors @ query, -np.inf)
    scores[0] = -np.inf
    return np.argsort(-scores, kind="stable")[:k]


def recall(graph: Nearest, vectors: np.ndarray, allowed: np.ndarray | None = None) -> float:
    found = 0
    every = np.ones(len(vectors), bool) if allowed is None else allowed
    for query in vectors[10:210]:
        items = graph.around(query, 10, allowed)
        assert len(np.unique(items)) == len(items) >= 10
        assert every[items].all()
        best = items[np.argsort(-(vectors[items] @ query), kind="stable")[:10]]
        found += len(set(best) & set(exact(vectors, query, 10, every)))
    return found / 2000


def test_nearly_all_of_the_nearest_are_found(graph: Nearest, vectors: np.ndarray) -> None:
    assert recall(graph, vectors) >= 0.98


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.004])
def test_under_a_filter_too(graph: Nearest, vectors: np.ndarray, share: float) -> None:
    allowed = np.random.default_rng(1).random(N + 1) < share
    assert recall(graph, vectors, allowed) >= 0.98


def test_where_a_filter_shuts_out_all_that_is_near_the_rest_is_compared(graph: Nearest, vectors: np.ndarray) -> None:
    query = vectors[10]
    far = np.argsort(vectors @ query)[: N // 2]
    allowed = np.zeros(N + 1, bool)
    allowed[far] = True
    items = graph.around(query, 10, allowed)
    assert set(exact(vectors, query, 10, allowed)) <= set(items)


def test_what_is_barred_takes_no_place(graph: Nearest, vectors: np.ndarray) -> None:
    barred = exact(vectors, vectors[10], 50, np.ones(N + 1, bool)).astype(np.int32)
    items = graph.around(vectors[10], 10, None, barred)
    assert len(items) >= 10
    assert not set(barred) & set(items)


def test_the_same_vectors_give_the_same_bytes_and_the_same_lists_after_a_load(
    graph: Nearest, vectors: np.ndarray, tmp_path: Path
) -> None:
    graph.save(tmp_path / "one")
    Nearest.build(vectors, KNOBS).save(tmp_path / "two")
    assert (tmp_path / "one/graph.safetensors").read_bytes() == (tmp_path / "two/graph.safetensors").read_bytes()
    loaded = Nearest.load(tmp_path / "one", N, DIM, KNOBS)
    for query in vectors[10:30]:
        np.testing.assert_array_equal(loaded.around(query, 10), graph.around(query, 10))


def test_a_damaged_graph_and_one_of_another_catalogue_are_refused(graph: Nearest, tmp_path: Path) -> None:
    graph.save(tmp_path)
    with pytest.raises(ContractError, match="run `package` again"):
        Nearest.load(tmp_path, 10, DIM, KNOBS)
    with pytest.raises(ContractError, match="run `package` again"):
        Nearest.load(tmp_path, N, DIM + 1, KNOBS)
    file = tmp_path / "graph.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ContractError, match="run `package` again"):
        Nearest.load(tmp_path, N, DIM, KNOBS)


def test_content_lists_nearly_the_same_with_it_under_the_same_scores(
    graph: Nearest, vectors: np.ndarray, world: World, users_of: Callable[..., Users]
) -> None:
    events, catalogue, users = world
    model = ContentRecommender(ContentParams(recency=0.5, dims=0), PopularityParams(half_life_days=14), 1)
    many = replace(events, n_items=N)
    model.fit(many, replace(catalogue, embedding=vectors), users)
    rng = np.random.default_rng(2)
    asked = users_of([[5], *(rng.integers(10, N, n % 6 + 1).tolist() for n in range(100))])  # the first: without text
    allowed = rng.random(N + 1) < 0.5
    for candidates in (None, allowed):
        plain = model.recommend(asked, 20, True, candidates)
        model.nearest = graph
        walked = model.recommend(asked, 20, True, candidates)
        model.nearest = None
        same = sum(len(set(a) & set(b)) for a, b in zip(plain.items, walked.items, strict=True))
        assert same / plain.items.size >= 0.98
        np.testing.assert_array_equal(plain.items[0], walked.items[0])
        scores = model.score(asked)
        picked = np.take_along_axis(scores, walked.items, axis=1)
        np.testing.assert_allclose(walked.scores, picked, atol=1e-6)
        assert candidates is None or candidates[walked.items].all()
    model.nearest = graph
    none = model.recommend(asked, 3, True, np.zeros(N + 1, bool))
    assert not none.items.any()
    assert np.isneginf(none.scores).all()
