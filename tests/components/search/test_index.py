"""Words and similarity fused, then personal scores; there is always an answer, and a reason for it."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from components.contracts import Catalogue, FloatArray
from components.errors import ContractError
from components.params import AnnParams, SearchParams
from components.recommenders.ann_index import AnnIndex
from components.search.index import SearchIndex

TEA = np.array([1, 0], np.float32)


@pytest.fixture
def index(catalogue: Catalogue, params: SearchParams) -> SearchIndex:
    return SearchIndex.build(catalogue, params.model_copy(update={"similar_candidates": 3}))


@pytest.fixture
def vectors(catalogue: Catalogue) -> FloatArray:
    assert catalogue.embedding is not None
    return catalogue.embedding


def test_similarity_finds_products_without_a_query_word(index: SearchIndex, vectors: FloatArray) -> None:
    assert index.search("teapot", 6).items.tolist() == [1, 2]
    assert index.search("teapot", 6, (TEA, vectors)).items.tolist()[:2] == [1, 2]
    assert 5 in index.search("teapot", 6, (TEA, vectors)).items  # a teapot in Chinese
    assert 3 not in index.search("teapot", 6, (TEA, vectors)).items


def test_an_ann_index_of_the_products_finds_the_same(index: SearchIndex, vectors: FloatArray) -> None:
    ann = AnnIndex.build(vectors, AnnParams(min_items=1, connectivity=8, expansion_add=32, expansion_search=32))
    mask = np.array([True, True, False, True, True, True, True])
    for query in ("teapot", "porcelain", "tea brush", "zzzz"):
        for candidates in (None, mask):
            plain = index.search(query, 6, (TEA, vectors), candidates=candidates)
            walked = index.search(query, 6, (TEA, vectors), candidates=candidates, ann=ann)
            assert walked.items.tolist() == plain.items.tolist()
            np.testing.assert_allclose(walked.scores, plain.scores, rtol=1e-6)


def test_personal_scores_reorder_but_add_nothing(index: SearchIndex, vectors: FloatArray) -> None:
    one, other = np.zeros(7, np.float32), np.zeros(7, np.float32)
    one[1], other[2] = 1, 1
    lists = [index.search("teapot", 2, (TEA, vectors), personal=p).items.tolist() for p in (one, other)]
    assert lists == [[1, 2], [2, 1]]
    brush = np.zeros(7, np.float32)
    brush[3] = 1
    assert 3 not in index.search("teapot", 6, None, personal=brush).items  # a personal score alone is no match


def test_popular_products_come_first_among_equals(index: SearchIndex) -> None:
    popular = np.array([0, 0.1, 0.9, 1, 0, 0, 0], np.float32)
    assert index.search("teapot", 6, popular=popular).items.tolist() == [2, 1]


def make(titles: list[str], vectors: FloatArray) -> Catalogue:
    texts, n = ["", *titles], len(titles) + 1
    ids = ["", *(f"N{i}" for i in range(1, n))]
    return Catalogue(ids, texts, texts, [""] * n, [""] * n, [""] * n, np.zeros(n, np.float32), vectors)


def test_popularity_never_lifts_a_product_without_a_word_above_one_with_all(params: SearchParams) -> None:
    titles = ["Pâté terrine", "Glass plate", "Wide plate", "Rustic terrine", "Pâté knife"]
    vectors = np.array([[0, 0], [0.2, 0.98], [1, 0], [0.99, 0.14], [0.6, 0.8], [0.1, 0.99]], np.float32)
    catalogue = make(titles, vectors)
    index = SearchIndex.build(catalogue, params)
    popular = np.array([0, 1e-6, 1, 0.9, 0.01, 1e-6], np.float32)  # by meaning, the plates fit best
    found = index.search("pate", 5, (TEA, vectors), popular=popular)
    assert found.items.tolist()[:2] == [1, 5]
    assert found.reason is None
    assert sorted(found.items.tolist()[2:]) == [2, 3, 4]
    assert (np.diff(found.scores) < 0).all()
    taste = np.array([0, 0, 1, 1, 0, 0], np.float32)  # nor does the user's taste
    both = index.search("pate terrine", 5, (TEA, vectors), personal=taste, popular=popular)
    order = both.items.tolist()
    assert order.index(1) < min(order.index(2), order.index(3))
    hidden = np.array([True, False, True, True, True, False])
    assert index.search("pate", 5, (TEA, vectors), popular=popular, candidates=hidden).items.tolist() == [2, 3, 4]


def test_an_article_number_comes_before_the_most_popular_product(params: SearchParams) -> None:
    vectors = np.eye(4, 2, dtype=np.float32)
    catalogue = make(["N2 screw", "Plain bolt", "N2 nut"], vectors)
    popular = np.array([0, 1, 0, 0.5], np.float32)
    for query in ("N2", "n-2", " n2 "):
        found = SearchIndex.build(catalogue, params).search(query, 3, (TEA, vectors), popular=popular)
        assert found.items.tolist() == [2, 1, 3]
        assert found.reason is None


def test_an_index_of_format_1_is_built_again_from_the_products(params: SearchParams, tmp_path: Path) -> None:
    own = make(["Café table", "Camera lenses", "Red Bull"], np.zeros((4, 2), np.float32))
    old = {"format": 1, "n_items": 3, "vocabulary": ["bull", "café", "camera", "lense", "red", "table"]}
    old["params"] = params.model_copy(update={"prefix_weight": 0.25}).model_dump(mode="json")
    (tmp_path / "search.json").write_text(json.dumps(old))
    arrays = {"starts": np.arange(7, dtype=np.int64), "items": np.array([3, 1, 2, 2, 3, 1], np.int32)}
    save_file(arrays | {"worth": np.ones(6, np.float32)}, tmp_path / "arrays.safetensors")
    index = SearchIndex.load(tmp_path, own)
    assert [index.search(query, 1).items.tolist() for query in ("cafe", "lens", "redbull", "n2")] == [
        [1],
        [2],
        [3],
        [2],
    ]
    assert index.params.prefix_weight == 0.25
    old["format"] = 3
    (tmp_path / "search.json").write_text(json.dumps(old))
    with pytest.raises(ContractError, match="format 3, expected 2"):
        SearchIndex.load(tmp_path, own)


def test_changed_queries_have_results_and_a_reason(index: SearchIndex, vectors: FloatArray) -> None:
    popular = np.array([0, 0.1, 0.2, 0.9, 0.4, 0.5, 0.6], np.float32)
    assert index.search("taepot", 2).reason == "read as teapot"
    similar = index.search("porcelain", 2, (TEA, vectors))
    assert similar.items.tolist() == [1, 5]
    assert "read like them" in (similar.reason or "")
    unknown = index.search("zzzz", 2, popular=popular)
    assert unknown.items.tolist() == [3, 6]
    assert "nothing matches" in (unknown.reason or "")
    assert index.search("", 2).items.tolist() == []
    assert index.search("teapot", 2).reason is None


def test_a_product_that_is_no_candidate_is_not_found(index: SearchIndex, vectors: FloatArray) -> None:
    candidates = np.ones(7, np.bool_)
    candidates[1] = False
    assert 1 not in index.search("teapot", 6, (TEA, vectors), candidates=candidates).items


def test_a_loaded_index_finds_the_same(index: SearchIndex, catalogue: Catalogue, tmp_path: Path) -> None:
    index.save(tmp_path / "a")
    again = SearchIndex.load(tmp_path / "a", catalogue)
    again.save(tmp_path / "b")
    for name in ("arrays.safetensors", "search.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    for query in ("red teapot", "茶壶", "scrwdriver"):
        np.testing.assert_array_equal(index.search(query, 5).items, again.search(query, 5).items)


def test_damaged_files_are_named(index: SearchIndex, catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no search index"):
        SearchIndex.load(tmp_path, catalogue)
    index.save(tmp_path)
    arrays = load_file(tmp_path / "arrays.safetensors")
    arrays["items"][0] = 99
    save_file(arrays, tmp_path / "arrays.safetensors")
    with pytest.raises(ContractError, match="products"):
        SearchIndex.load(tmp_path, catalogue)
