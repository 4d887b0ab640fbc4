"""The lists of a block of users: those that the users have one by one, for every kind of request."""

from typing import Any

import numpy as np
import pytest

from components.errors import ContractError
from components.offline.lists import UserLists, make_lists
from components.offline.model import OfflineModel
from components.release.bundle import Bundle
from components.serving.schemas import RecommendRequest
from components.serving.storage.event_store import EventStore
from components.serving.storage.merchandising import MerchandisingRule, RuleSet
from components.times import now_micros

USERS = ["u-1", "stranger", "u-5", "nobody", "u-7", "u-2"]
REQUESTS: list[dict[str, Any]] = [
    {"k": 4},
    {"k": 50},  # more than there are products
    {"filters": {"rules": ["price < 9"]}, "k": 3},
    {"filters": {"rules": ["price < 3"]}, "k": 10},
    {"filters": {"rules": ["price < 0"]}},
    {"filters": {"in_stock": True}, "exclude": ["sku-1"], "k": 6},
    {"diversity": 0.7, "k": 5},
    {"quotas": [{"kind": "product", "at_most": 3}], "k": 5},
    {"diversity": 0.7, "filters": {"rules": ["price < 9"]}, "k": 5},
]


def rows_of(lists: UserLists, bundle: Bundle) -> list[tuple[list[str], str, str | None]]:
    items = np.split(lists.item_idx, np.cumsum(lists.lengths)[:-1])
    assert len(items) == len(lists)
    return [
        ([bundle.item_ids[i] for i in one], name, reason)
        for one, name, reason in zip(items, lists.models, lists.reasons, strict=True)
    ]


def check_equal(model: OfflineModel, request: RecommendRequest) -> UserLists:
    """Check the lists of USERS in one block against those of each user, and return them."""
    now = now_micros()
    lists = make_lists(model, USERS, request, now)
    alone = [model.recommend(request.model_copy(update={"user_id": user}), now) for user in USERS]
    wanted = [([item.item_id for item in one.items], one.model, one.reason) for one in alone]
    assert rows_of(lists, model.bundle) == wanted
    assert lists.scores == pytest.approx([item.score for one in alone for item in one.items], abs=1e-5)
    return lists


@pytest.mark.parametrize("body", REQUESTS)
@pytest.mark.parametrize("scored", [50, 10], ids=["all products are scored", "ten are, before filters"])
def test_lists_are_those_of_each_user(body: dict[str, Any], scored: int, model: OfflineModel) -> None:
    assert model.store is not None
    model.store.set_stock({"sku-3": 0, "sku-5": 2}, at=1)
    serving = model.params.serving.model_copy(update={"max_k": max(scored, body.get("k", 10))})
    model.params = model.params.model_copy(update={"serving": serving})
    check_equal(model, RecommendRequest.model_validate(body))


def test_lists_after_merchandising_rules_are_those_of_each_user(model: OfflineModel) -> None:
    plain = check_equal(model, RecommendRequest(k=4))
    first = model.bundle.item_ids[plain.item_idx[0]]
    rule = MerchandisingRule(rule_id="bury-00000000", kind="bury", item_id=first, by="tester", created_at=1)
    model.__dict__["rules"] = RuleSet((rule,), "v1")
    ruled = check_equal(model, RecommendRequest(k=4))
    assert ruled.item_idx.tolist() != plain.item_idx.tolist()


def test_a_user_on_whom_the_model_fails_has_the_list_of_the_fallback(
    model: OfflineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = model.bundle.model.recommend

    def fail(users: Any, *args: Any) -> Any:
        if 5 in users.history.lengths:  # u-5
            raise ZeroDivisionError
        return real(users, *args)

    monkeypatch.setattr(model.bundle.model, "recommend", fail)
    lists = check_equal(model, RecommendRequest(k=4))
    assert lists.reasons == [None, "no history", "the model failed", "no history", None, None]


def test_blocks_in_a_row_are_one_block(model: OfflineModel) -> None:
    now, request = now_micros(), RecommendRequest(k=4)
    parts = [make_lists(model, users, request, now) for users in (USERS[:2], USERS[2:])]
    joined, whole = UserLists.concat(parts), make_lists(model, USERS, request, now)
    assert rows_of(joined, model.bundle) == rows_of(whole, model.bundle)


def test_wrong_requests_are_errors(model: OfflineModel, store: EventStore) -> None:
    with pytest.raises(ContractError, match="expected a list length from 1"):
        make_lists(model, USERS, RecommendRequest(k=51), now_micros())
    wrong = RecommendRequest.model_validate({"filters": {"rules": ["prise < 5"]}})
    with pytest.raises(ContractError, match="no field 'prise'"):
        make_lists(model, USERS, wrong, now_micros())
