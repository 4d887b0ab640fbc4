"""Weights follow what shoppers click, are judged on queries that they have not seen, and ship only where they win."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from components.contracts import Catalogue, FloatArray
from components.params import SearchParams
from components.search.clicks import Click, ClickCounts
from components.search.index import SearchIndex
from components.search.learning import Learned, SearchContext, learn_weights

KINDS = ["teapot", "kettle", "brush", "hammer", "pillow", "ladder", "basket", "mirror", "candle", "bottle"]
PER_KIND = 12
N = len(KINDS) * PER_KIND


@pytest.fixture(scope="module")
def context(params: SearchParams) -> SearchContext:
    """120 products of ten kinds, whose names do not tell the products of a kind apart."""
    rng = np.random.default_rng(1)
    kind = np.repeat(np.arange(len(KINDS)), PER_KIND)
    vectors = np.eye(len(KINDS), dtype=np.float32)[kind] + rng.normal(0, 0.05, (N, len(KINDS))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    text = ["", *(KINDS[k] for k in kind)]
    empty = [""] * (N + 1)
    catalogue = Catalogue(
        item_id=["", *(f"p{n}" for n in range(1, N + 1))], title=text, text=text, brand=empty, category=empty,
        language=empty, price=np.ones(N + 1, np.float32), embedding=np.vstack([np.zeros_like(vectors[:1]), vectors]),
    )  # fmt: skip
    assert catalogue.embedding is not None
    index = SearchIndex.build(catalogue, params.model_copy(update={"popularity_weight": 0.0}))
    return SearchContext(index, catalogue.embedding, rng.random(N + 1).astype(np.float32))


def clicked(n: int, seed: int, choose: Callable[[np.random.Generator, int], int]) -> list[Click]:
    rng = np.random.default_rng(seed)
    kinds = rng.integers(len(KINDS), size=n)
    return [
        Click(f"{KINDS[k]} {m % 40}", int(k) * PER_KIND + 1 + choose(rng, int(k)), "u") for m, k in enumerate(kinds)
    ]


def vectors_of(clicks: list[Click]) -> FloatArray:
    return np.eye(len(KINDS), dtype=np.float32)[[KINDS.index(click.query.split()[0]) for click in clicks]]


def learn(context: SearchContext, clicks: list[Click], least: int = 20) -> Learned:
    found = learn_weights(context, clicks, vectors_of(clicks), least, seed=3)
    assert found is not None
    return found


def favourites(rng: np.random.Generator, kind: int) -> int:
    """Two products of each kind take nearly all clicks; popularity does not know them."""
    return int(rng.integers(PER_KIND)) if rng.random() < 0.1 else (kind + int(rng.integers(2)) * 5) % PER_KIND


def test_where_clicks_tell_products_apart_they_get_weight_and_the_weights_ship(context: SearchContext) -> None:
    earlier, window = clicked(600, 1, favourites), clicked(200, 2, favourites)
    counts = ClickCounts.of(earlier, set(context.index.lexical.vocabulary))
    found = learn(replace(context, index=context.index.with_weights(counts, None)), window)
    assert found.weights.clicks > 0.3
    assert found.ndcg["learned"] > found.ndcg["parameters"] + 0.3
    assert found.ships
    assert f"On {len(window)} searches" in found.describe()


def test_popularity_gets_weight_where_it_decides(context: SearchContext) -> None:
    def by_popularity(rng: np.random.Generator, kind: int) -> int:
        share = context.popular[1 + kind * PER_KIND :][:PER_KIND] ** 4
        return int(rng.choice(PER_KIND, p=share / share.sum()))

    found = learn(context, clicked(300, 4, by_popularity))
    assert found.weights.popularity > 1
    assert found.weights.clicks == 0  # there were none before
    assert found.ships


def test_clicks_at_random_change_nothing(context: SearchContext) -> None:
    found = [learn(context, clicked(200, seed, lambda rng, _: int(rng.integers(PER_KIND)))) for seed in range(5, 11)]
    gains = [f.ndcg["learned"] - f.ndcg["parameters"] for f in found]
    assert abs(np.mean(gains)) < 0.05
    assert sum(f.ships for f in found) <= 2


def test_equal_input_gives_equal_weights_and_too_few_queries_none(context: SearchContext) -> None:
    window = clicked(60, 2, favourites)
    assert learn(context, window) == learn(context, window)
    assert learn_weights(context, window, vectors_of(window), 61, seed=3) is None
    misses = [Click("zzz", 1, "u")] * 30
    nowhere = replace(context, index=SearchIndex(context.index.lexical, N, context.index.params))
    assert learn_weights(nowhere, misses, np.zeros((30, len(KINDS)), np.float32), 1, seed=3) is None


def test_weights_learned_without_a_query_judge_it(context: SearchContext) -> None:
    """A hundred queries that each lead to one product of their own: only the counts of the same queries know it."""
    window = [Click(f"{KINDS[n % 10]} {n}", 1 + (n % 10) * PER_KIND + n % PER_KIND, "u") for n in range(100)]
    counts = ClickCounts.of(window, {f"{n}" for n in range(100)})
    seen = learn(replace(context, index=context.index.with_weights(counts, None)), window)
    unseen = learn(context, window)
    assert seen.ndcg["learned"] > 0.9  # the counts hold the answers
    assert unseen.ndcg["learned"] < 0.5


def test_an_index_with_learned_weights_finds_the_same_products_in_another_order(
    catalogue: Catalogue, params: SearchParams
) -> None:
    from components.params import SearchWeightsParams

    plain = SearchIndex.build(catalogue, params)
    counts = ClickCounts.of([Click("teapot", 2, "u")] * 50, {"teapot"})
    weighed = plain.with_weights(counts, SearchWeightsParams(words=1, similarity=1, popularity=0, clicks=3))
    assert plain.search("teapot", 5).items.tolist() == [1, 2]
    assert weighed.search("teapot", 5).items.tolist() == [2, 1]
    assert weighed.search("p1", 5).items.tolist()[0] == 1  # an article number comes first all the same
    assert catalogue.embedding is not None
    vectors = (np.array([1, 0], np.float32), catalogue.embedding)
    assert set(weighed.search("teapot", 6, vectors).items) == set(plain.search("teapot", 6, vectors).items)
