"""Lists from a bundle: the model's or the fallback's, filtered, diverse, explained; similar and bought together."""

from pathlib import Path

import numpy as np
import pytest

from components.contracts import Users
from components.release.bundle import Bundle, open_bundle
from components.serving.inference import recommendations as module
from components.serving.inference.errors import UnknownItemError
from components.serving.inference.histories import HistoryRow, build_user, to_rows
from components.serving.inference.recommendations import Recommendation, find_bought_together, find_similar
from components.serving.inference.rules import CatalogueFilter
from components.serving.inference.scorer import score_users
from components.serving.schemas import Context, Filters, HistoryEvent, RecommendRequest, SimilarRequest
from tests.components.serving.support import N_ITEMS, World


@pytest.fixture
def opened(bundle: Path) -> Bundle:
    return open_bundle(bundle)


def recommend(
    bundle: Bundle, request: RecommendRequest, out_of_stock: frozenset[str] = frozenset(), list_length: int = 50
) -> Recommendation:
    user = build_user(bundle, to_rows(request.history, request.context.item_id))
    scored = score_users(bundle, [user], list_length)[0]
    mask = CatalogueFilter(bundle.catalogue, bundle.index).allowed(request.filters, request.excluded, out_of_stock)
    return module.recommend(bundle, user, scored, request, mask)


def similar(bundle: Bundle, request: SimilarRequest) -> Recommendation:
    mask = CatalogueFilter(bundle.catalogue, bundle.index).allowed(request.filters, request.excluded, [])
    return find_similar(bundle, request, mask)


def events(*items: int, **fields: object) -> list[HistoryEvent]:
    return [HistoryEvent.model_validate({"item_id": f"sku-{i}", **fields}) for i in items]


def ids(items: list) -> list[str]:
    return [item.item_id for item in items]


def test_each_user_gets_products_of_their_colour(opened: Bundle) -> None:
    items, model, reason = recommend(opened, RecommendRequest(history=events(1, 3, 5, 7), k=4))
    assert (model, reason) == ("ease", None)
    assert all(int(name.split("-")[1]) % 2 == 1 for name in ids(items))
    assert not set(ids(items)) & {"sku-1", "sku-3", "sku-5", "sku-7"}
    assert items[0].title.startswith("odd red thing")
    assert [i.score for i in items] == sorted((i.score for i in items), reverse=True)


def test_same_scores_as_in_evaluation(opened: Bundle, world: World) -> None:
    """Training and serving see the same features: each user's list is the one that `evaluate` would rank."""
    users = world[2]
    for row in range(len(users)):
        one = users.slice(row, row + 1)
        if not len(one.history.item_idx):
            continue
        ranked = opened.model.recommend(one, 10, True)
        history = [
            {"item_id": f"sku-{i}", "event": "purchase", "timestamp": t / 1e6}
            for i, t in zip(one.history.item_idx.tolist(), one.history.timestamp.tolist(), strict=True)
        ]
        items, _, _ = recommend(opened, RecommendRequest.model_validate({"history": history, "k": 10}))
        assert ids(items) == [f"sku-{i}" for i in ranked.items[0] if i]
        np.testing.assert_allclose([i.score for i in items], ranked.scores[0][: len(items)], atol=1e-5)


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ([], "no history"),
        (events(1, event="cart"), "no history that the model knows"),
        ([HistoryEvent(item_id="gone")], "no history that the model knows"),
    ],
)
def test_a_user_without_known_history_gets_the_fallback(
    opened: Bundle, history: list[HistoryEvent], reason: str
) -> None:
    items, model, why = recommend(opened, RecommendRequest(user_id="ann", history=history, k=5))
    assert (model, why, len(items)) == ("popularity", reason, 5)


def test_excluded_products_are_not_listed(opened: Bundle) -> None:
    items, _, _ = recommend(opened, RecommendRequest(history=events(1, 3), k=20, exclude=["sku-5", "gone"]))
    assert "sku-5" not in ids(items)
    assert len(items) == N_ITEMS - 3


def test_a_longer_list_than_the_shop_has_products(opened: Bundle) -> None:
    items, _, _ = recommend(opened, RecommendRequest(history=events(1), k=500))
    assert len(items) == N_ITEMS - 1
    assert recommend(opened, RecommendRequest(k=5, exclude=[f"sku-{i}" for i in range(1, 21)]))[0] == []


def test_the_fallback_answers_when_the_model_fails(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(users: Users, items: object = None) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(opened.model, "score", fail)
    items, model, reason = recommend(opened, RecommendRequest(history=events(1), k=5))
    assert (model, reason, len(items)) == ("popularity", "the model failed", 5)
    assert "sku-1" not in ids(items)


def test_similar_products_have_similar_texts(opened: Bundle) -> None:
    items, model, _ = similar(opened, SimilarRequest(item_id="sku-1", k=5))
    assert model == "text"
    assert all(int(name.split("-")[1]) % 2 == 1 for name in ids(items))
    assert "sku-1" not in ids(items)
    assert items[0].score == pytest.approx(1, abs=0.4)
    everything, _, _ = similar(opened, SimilarRequest(item_id="sku-1", k=50, exclude=["sku-2"]))
    assert set(ids(everything)) == {f"sku-{i}" for i in range(3, 19)} | {"sku-20"}  # 19 has no text


def test_similar_to_a_product_without_a_text_is_by_the_model(opened: Bundle) -> None:
    items, model, reason = similar(opened, SimilarRequest(item_id="sku-19", k=3))
    assert (model, reason, len(items)) == ("ease", None, 3)
    assert all(int(name.split("-")[1]) % 2 == 1 for name in ids(items))


def test_similar_to_an_unknown_product_is_refused(opened: Bundle) -> None:
    with pytest.raises(UnknownItemError):
        similar(opened, SimilarRequest(item_id="gone"))


RED = [f"sku-{i}" for i in range(1, 20, 2)]


@pytest.mark.parametrize("list_length", [50, 3])
def test_filters_and_rules_hold_for_any_length_of_the_scored_list(opened: Bundle, list_length: int) -> None:
    def ask(k: int = 20, out_of_stock: frozenset[str] = frozenset(), **filters: object) -> list[str]:
        request = RecommendRequest(history=events(1, 3), k=k, filters=Filters.model_validate(filters))
        return ids(recommend(opened, request, out_of_stock, list_length).items)

    everything = ask()
    assert len(everything) == N_ITEMS - 2
    assert ask(rules=['"red" in title']) == [i for i in everything if i in RED]
    assert (
        ask(k=2, rules=['"red" in title', 'item_id not in ("sku-5")'])
        == [i for i in everything if i in RED and i != "sku-5"][:2]
    )
    prices = dict(zip(opened.item_ids, opened.catalogue.price.tolist(), strict=True))
    assert ask(max_price=5) == [i for i in everything if prices[i] <= 5]
    assert ask(min_price=5, rules=["price < 8"]) == [i for i in everything if 5 <= prices[i] < 8]
    assert ask(out_of_stock=frozenset(everything[:3]), in_stock=True) == everything[3:]
    assert ask(out_of_stock=frozenset(everything[:3])) == everything
    assert ask(rules=["price < 0"]) == []


def test_the_context_item_counts_as_viewed_and_is_not_listed(opened: Bundle) -> None:
    found = recommend(opened, RecommendRequest(context=Context(item_id="sku-2"), k=4))
    assert found.model == "ease"
    assert all(int(name.split("-")[1]) % 2 == 0 for name in ids(found.items))
    assert "sku-2" not in ids(found.items)


def test_a_diverse_list_mixes_different_texts(opened: Bundle) -> None:
    alike = ids(recommend(opened, RecommendRequest(history=events(1, 3, 5), k=6)).items)
    mixed = ids(recommend(opened, RecommendRequest(history=events(1, 3, 5), k=6, diversity=0.9)).items)
    assert set(alike) <= set(RED)
    assert mixed[0] == alike[0]
    assert not set(mixed) <= set(RED)
    assert len(set(mixed)) == 6


def test_contributions_sum_up_to_the_score_and_a_product_of_the_history_explains(opened: Bundle) -> None:
    found = recommend(opened, RecommendRequest(history=events(1, 4), k=3, explain=True))
    for item in found.items:
        assert item.contributions is not None
        assert sum(item.contributions.values()) == pytest.approx(item.score, abs=1e-5)
        assert item.explained_by in ("sku-1", "sku-4")
    red = next(item for item in found.items if item.item_id in RED)
    assert red.explained_by == "sku-1"


def test_bought_together(opened: Bundle) -> None:
    request = SimilarRequest(item_id="sku-2", k=4)
    mask = CatalogueFilter(opened.catalogue, opened.index).allowed(request.filters, request.excluded, [])
    found = find_bought_together(opened, request, mask)
    assert all(int(name.split("-")[1]) % 2 == 0 for name in ids(found.items))
    assert "sku-2" not in ids(found.items)
    with pytest.raises(UnknownItemError):
        find_bought_together(opened, SimilarRequest(item_id="gone"), None)


def test_users_get_the_same_list_in_a_batch_and_alone(opened: Bundle) -> None:
    users = [
        build_user(opened, [HistoryRow(f"sku-{i}", "view", None) for i in row]) for row in ([1, 3], [], [2], [7, 8, 9])
    ]
    for user, best in zip(users, score_users(opened, users, 7), strict=True):
        alone = score_users(opened, [user], 7)[0]
        assert (best.items.tolist(), best.model, best.reason) == (alone.items.tolist(), alone.model, alone.reason)
        np.testing.assert_allclose(best.scores, alone.scores, atol=1e-6)
