"""From a request to a list: what the model is told, what it answers, and when the fallback does."""

from pathlib import Path

import numpy as np
import pytest

from components.contracts import EVENTS, Users
from components.release.bundle import Bundle, open_bundle
from components.serving.inference import recommendations as answers
from components.serving.inference.recommendations import (
    Recommendation,
    Row,
    UnknownItemError,
    bought_together,
    rows_of,
    user_of,
)
from components.serving.inference.scorer import best_of
from components.serving.models.watcher import ServedModel
from components.serving.schemas import Context, Event, Filters, RecommendRequest, SimilarRequest
from tests.components.serving.conftest import N_ITEMS, World


@pytest.fixture
def opened(bundle: Path) -> Bundle:
    return open_bundle(bundle)


def recommend(
    bundle: Bundle, request: RecommendRequest, out: frozenset[str] = frozenset(), keep: int = 50
) -> Recommendation:
    user = user_of(bundle, rows_of(request.history, request.context.item_id))
    return answers.recommend(ServedModel(1, bundle), user, best_of(bundle, [user], keep)[0], request, out)


def similar(bundle: Bundle, request: SimilarRequest) -> Recommendation:
    return answers.similar(ServedModel(1, bundle), request, frozenset())


def events(*items: int, **fields: object) -> list[Event]:
    return [Event.model_validate({"item_id": f"sku-{i}", **fields}) for i in items]


def ids(items: list) -> list[str]:
    return [item.item_id for item in items]


def test_each_user_gets_the_own_colour(opened: Bundle) -> None:
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


def test_history_as_the_model_reads_it(opened: Bundle) -> None:
    history = [
        Event(item_id="sku-3", event="purchase", timestamp="2026-02-03T00:00:00Z"),
        Event(item_id="gone", event="view", timestamp="2026-02-02T00:00:00Z"),
        Event(item_id="sku-2", event="cart", timestamp="2026-02-02T00:00:00Z"),  # the model learned nothing from carts
        Event(item_id="sku-1", event="view", timestamp="2026-02-01T02:00:00+02:00"),
    ]
    users = user_of(opened, rows_of(history))
    assert users.history.item_idx.tolist() == [1, 3]
    assert users.history.timestamp.tolist() == [1769904000000000, 1770076800000000]
    assert users.history.weight.tolist() == [pytest.approx(0.3), 1.0]
    assert users.history.event.tolist() == [EVENTS.index("view"), EVENTS.index("purchase")]
    assert users.now > 1770076800000000


def test_history_without_times_keeps_its_order_and_newest_events_win(opened: Bundle) -> None:
    users = user_of(opened, rows_of(events(*[5, 4, 3] * 20)))
    assert len(users.history.item_idx) == opened.info.max_history
    assert users.history.item_idx.tolist()[-3:] == [5, 4, 3]
    assert set(users.history.weight.tolist()) == {1.0}


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ([], "no history"),
        (events(1, event="cart"), "no history that the model knows"),
        ([Event(item_id="gone")], "no history that the model knows"),
    ],
)
def test_who_is_unknown_gets_the_fallback(opened: Bundle, history: list[Event], reason: str) -> None:
    items, model, why = recommend(opened, RecommendRequest(user_id="ann", history=history, k=5))
    assert (model, why, len(items)) == ("popularity", reason, 5)


def test_excluded_products_stay_out(opened: Bundle) -> None:
    items, _, _ = recommend(opened, RecommendRequest(history=events(1, 3), k=20, exclude=["sku-5", "gone"]))
    assert "sku-5" not in ids(items)
    assert len(items) == N_ITEMS - 3


def test_a_longer_list_than_the_shop_has_products(opened: Bundle) -> None:
    items, _, _ = recommend(opened, RecommendRequest(history=events(1), k=500))
    assert len(items) == N_ITEMS - 1
    assert recommend(opened, RecommendRequest(k=5, exclude=[f"sku-{i}" for i in range(1, 21)]))[0] == []


def test_a_model_that_fails_is_answered_for(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(users: Users, items: object = None) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(opened.model, "score", fail)
    items, model, reason = recommend(opened, RecommendRequest(history=events(1), k=5))
    assert (model, reason, len(items)) == ("popularity", "the model failed", 5)
    assert "sku-1" not in ids(items)


def test_similar_is_near_in_text(opened: Bundle) -> None:
    items, model, _ = similar(opened, SimilarRequest(item_id="sku-1", k=5))
    assert model == "text"
    assert all(int(name.split("-")[1]) % 2 == 1 for name in ids(items))
    assert "sku-1" not in ids(items)
    assert items[0].score == pytest.approx(1, abs=0.4)
    everything, _, _ = similar(opened, SimilarRequest(item_id="sku-1", k=50, exclude=["sku-2"]))
    assert set(ids(everything)) == {f"sku-{i}" for i in range(3, 19)} | {"sku-20"}  # 19 has no text


def test_similar_to_a_product_without_a_text_is_what_the_model_says(opened: Bundle) -> None:
    items, model, reason = similar(opened, SimilarRequest(item_id="sku-19", k=3))
    assert (model, reason, len(items)) == ("ease", None, 3)
    assert all(int(name.split("-")[1]) % 2 == 1 for name in ids(items))


def test_similar_to_nothing_known(opened: Bundle) -> None:
    with pytest.raises(UnknownItemError):
        similar(opened, SimilarRequest(item_id="gone"))


RED = [f"sku-{i}" for i in range(1, 20, 2)]


@pytest.mark.parametrize("keep", [50, 3])
def test_filters_and_rules_hold_however_few_lists_are_kept(opened: Bundle, keep: int) -> None:
    def ask(k: int = 20, out: frozenset[str] = frozenset(), **filters: object) -> list[str]:
        request = RecommendRequest(history=events(1, 3), k=k, filters=Filters.model_validate(filters))
        return ids(recommend(opened, request, out, keep).items)

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
    assert ask(out=frozenset(everything[:3]), in_stock=True) == everything[3:]
    assert ask(out=frozenset(everything[:3])) == everything
    assert ask(rules=["price < 0"]) == []


def test_the_page_on_which_a_list_stands_counts_and_is_not_listed(opened: Bundle) -> None:
    here = recommend(opened, RecommendRequest(context=Context(item_id="sku-2"), k=4))
    assert here.model == "ease"
    assert all(int(name.split("-")[1]) % 2 == 0 for name in ids(here.items))
    assert "sku-2" not in ids(here.items)


def test_a_diverse_list_mixes_what_reads_differently(opened: Bundle) -> None:
    alike = ids(recommend(opened, RecommendRequest(history=events(1, 3, 5), k=6)).items)
    mixed = ids(recommend(opened, RecommendRequest(history=events(1, 3, 5), k=6, diversity=0.9)).items)
    assert set(alike) <= set(RED)
    assert mixed[0] == alike[0]
    assert not set(mixed) <= set(RED)
    assert len(set(mixed)) == 6


def test_reasons_sum_up_to_the_score_and_name_a_product_of_the_history(opened: Bundle) -> None:
    found = recommend(opened, RecommendRequest(history=events(1, 4), k=3, explain=True))
    for item in found.items:
        assert item.why is not None
        assert sum(item.why.values()) == pytest.approx(item.score, abs=1e-5)
        assert item.because in ("sku-1", "sku-4")
    red = next(item for item in found.items if item.item_id in RED)
    assert red.because == "sku-1"


def test_bought_together(opened: Bundle) -> None:
    found = bought_together(ServedModel(1, opened), SimilarRequest(item_id="sku-2", k=4), frozenset())
    assert all(int(name.split("-")[1]) % 2 == 0 for name in ids(found.items))
    assert "sku-2" not in ids(found.items)
    with pytest.raises(UnknownItemError):
        bought_together(ServedModel(1, opened), SimilarRequest(item_id="gone"), frozenset())


def test_users_together_get_what_each_gets_alone(opened: Bundle) -> None:
    users = [user_of(opened, [Row(f"sku-{i}", "view", None) for i in row]) for row in ([1, 3], [], [2], [7, 8, 9])]
    for user, best in zip(users, best_of(opened, users, 7), strict=True):
        alone = best_of(opened, [user], 7)[0]
        assert (best.items.tolist(), best.model, best.reason) == (alone.items.tolist(), alone.model, alone.reason)
        np.testing.assert_allclose(best.scores, alone.scores, atol=1e-6)
