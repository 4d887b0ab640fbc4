"""The ANN index: recall against exhaustive search, with and without filters; the same bytes each time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import AnnParams, ContentParams, PopularityParams
from components.recommenders.ann_index import AnnIndex
from components.recommenders.content import ContentRecommender, unit_rows

World = tuple[Interactions, Catalogue, Users]
ANN = AnnParams(min_items=1, connectivity=16, expansion_add=128, expansion_search=128)
N, DIM = 4000, 24


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Clusters on the sphere; products 1 to 9 have no text."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, DIM))[rng.integers(0, 60, N + 1)] + 0.5 * rng.standard_normal((N + 1, DIM))
    rows[:10] = 0
    return unit_rows(rows.astype(np.float32))


@pytest.fixture(scope="module")
def index(vectors: np.ndarray) -> AnnIndex:
    return AnnIndex.build(vectors, ANN)


def exact(vectors: np.ndarray, query: np.ndarray, k: int, allowed: np.ndarray) -> np.ndarray:
    scores = np.where(allowed, vectors @ query, -np.inf)
    scores[0] = -np.inf
    return np.argsort(-scores, kind="stable")[:k]


def recall(index: AnnIndex, vectors: np.ndarray, allowed: np.ndarray | None = None) -> float:
    found = 0
    every = np.ones(len(vectors), bool) if allowed is None else allowed
    for query in vectors[10:210]:
        items = index.search(query, 10, allowed)
        assert len(np.unique(items)) == len(items) >= 10
        assert every[items].all()
        best = items[np.argsort(-(vectors[items] @ query), kind="stable")[:10]]
        found += len(set(best) & set(exact(vectors, query, 10, every)))
    return found / 2000


def test_nearly_all_of_the_nearest_are_found(index: AnnIndex, vectors: np.ndarray) -> None:
    assert recall(index, vectors) >= 0.98


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.004])
def test_nearly_all_of_the_nearest_are_found_under_a_filter(index: AnnIndex, vectors: np.ndarray, share: float) -> None:
    allowed = np.random.default_rng(1).random(N + 1) < share
    assert recall(index, vectors, allowed) >= 0.98


def test_a_filter_without_near_items_falls_back_to_exact_search(index: AnnIndex, vectors: np.ndarray) -> None:
    query = vectors[10]
    far = np.argsort(vectors @ query)[: N // 2]
    allowed = np.zeros(N + 1, bool)
    allowed[far] = True
    items = index.search(query, 10, allowed)
    assert set(exact(vectors, query, 10, allowed)) <= set(items)


def test_excluded_items_leave_room_for_others(index: AnnIndex, vectors: np.ndarray) -> None:
    excluded = exact(vectors, vectors[10], 50, np.ones(N + 1, bool)).astype(np.int32)
    items = index.search(vectors[10], 10, None, excluded)
    assert len(items) >= 10
    assert not set(excluded) & set(items)


def test_the_same_vectors_give_the_same_bytes_and_the_same_lists_after_a_load(
    index: AnnIndex, vectors: np.ndarray, tmp_path: Path
) -> None:
    index.save(tmp_path / "one")
    AnnIndex.build(vectors, ANN).save(tmp_path / "two")
    assert (tmp_path / "one/index.safetensors").read_bytes() == (tmp_path / "two/index.safetensors").read_bytes()
    loaded = AnnIndex.load(tmp_path / "one", N, DIM, ANN)
    for query in vectors[10:30]:
        np.testing.assert_array_equal(loaded.search(query, 10), index.search(query, 10))


def test_a_damaged_index_and_one_of_another_catalogue_are_refused(index: AnnIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    with pytest.raises(ContractError, match="run `package` again"):
        AnnIndex.load(tmp_path, 10, DIM, ANN)
    with pytest.raises(ContractError, match="run `package` again"):
        AnnIndex.load(tmp_path, N, DIM + 1, ANN)
    file = tmp_path / "index.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ContractError, match="run `package` again"):
        AnnIndex.load(tmp_path, N, DIM, ANN)


def test_an_index_of_version_0_1_is_read(index: AnnIndex, vectors: np.ndarray, tmp_path: Path) -> None:
    save_file({"graph": np.frombuffer(index.index.save(), np.uint8)}, tmp_path / "graph.safetensors")
    loaded = AnnIndex.load(tmp_path, N, DIM, ANN)
    np.testing.assert_array_equal(loaded.search(vectors[10], 10), index.search(vectors[10], 10))


def test_the_best_are_exact_and_items_without_text_need_a_prior(index: AnnIndex, vectors: np.ndarray) -> None:
    found = index.nearest(vectors[10], vectors, 5)
    np.testing.assert_allclose(found.scores[0], vectors[found.items[0]] @ vectors[10], rtol=1e-6)
    allowed = np.zeros(N + 1, bool)
    allowed[[1, 2, 10]] = True  # 1 and 2 have no text
    assert index.nearest(vectors[10], vectors, 5, allowed).items.tolist() == [[10]]
    prior = np.linspace(0, 1e-6, N + 1).astype(np.float32)
    assert index.nearest(vectors[10], vectors, 5, allowed, None, prior).items.tolist() == [[10, 2, 1]]


def test_content_has_the_same_scores_and_nearly_the_same_lists_with_an_ann_index(
    index: AnnIndex, vectors: np.ndarray, world: World, users_of: Callable[..., Users]
) -> None:
    events, catalogue, users = world
    model = ContentRecommender(ContentParams(recency=0.5, dims=0), PopularityParams(half_life_days=14), 1)
    many = replace(events, n_items=N)
    model.fit(many, replace(catalogue, embedding=vectors), users)
    rng = np.random.default_rng(2)
    test_users = users_of([[5], *(rng.integers(10, N, n % 6 + 1).tolist() for n in range(100))])  # 5 has no text
    allowed = rng.random(N + 1) < 0.5
    for candidates in (None, allowed):
        plain = model.recommend(test_users, 20, True, candidates)
        model.ann = index
        approximate = model.recommend(test_users, 20, True, candidates)
        model.ann = None
        same = sum(len(set(a) & set(b)) for a, b in zip(plain.items, approximate.items, strict=True))
        assert same / plain.items.size >= 0.98
        np.testing.assert_array_equal(plain.items[0], approximate.items[0])
        scores = model.score(test_users)
        picked = np.take_along_axis(scores, approximate.items, axis=1)
        np.testing.assert_allclose(approximate.scores, picked, atol=1e-6)
        assert candidates is None or candidates[approximate.items].all()
    model.ann = index
    none = model.recommend(test_users, 3, True, np.zeros(N + 1, bool))
    assert not none.items.any()
    assert np.isneginf(none.scores).all()
