"""Offline answers are those of the service, for every kind of request."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from components.errors import ContractError
from components.offline.model import OfflineModel, make_filters
from components.offline.sources import open_folder
from components.params import Params
from components.serving.inference.errors import MissingPartError, UnknownItemError
from components.serving.inference.recommendations import Recommendation
from components.serving.schemas import ItemsRequest, RecommendRequest, SearchRequest, SimilarRequest
from components.serving.storage.event_store import EventStore

REQUESTS: list[dict[str, Any]] = [
    {"user_id": "u-3", "k": 10},
    {"user_id": "stranger", "k": 4},
    {"user_id": "nobody"},
    {"history": [{"item_id": "sku-2"}, {"item_id": "sku-4", "event": "purchase"}], "k": 7},
    {"history": [{"item_id": "unknown"}]},
    {"user_id": "u-5", "filters": {"rules": ['price < 6 and category == "odd red"']}, "k": 3},
    {"user_id": "u-5", "filters": {"in_stock": True}, "exclude": ["sku-1"]},
    {"user_id": "u-6", "diversity": 0.7, "explain": True, "k": 5},
    {"user_id": "u-6", "context": {"item_id": "sku-8"}, "k": 5},
    {"user_id": "u-4", "k": 20},
]


def dump(found: Recommendation) -> dict[str, Any]:
    return {"model": found.model, "reason": found.reason, "items": [item.model_dump() for item in found.items]}


def of_service(client: TestClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return {name: reply.json()[name] for name in ("model", "reason", "items")}


@pytest.mark.parametrize("body", REQUESTS)
def test_lists_are_those_of_the_service(body: dict[str, Any], model: OfflineModel, client: TestClient) -> None:
    assert model.store is not None
    model.store.set_stock({"sku-3": 0, "sku-5": 2}, at=1)
    assert dump(model.recommend(RecommendRequest.model_validate(body))) == of_service(client, "/recommend", body)


def test_a_batch_gives_each_user_the_list_of_a_request(model: OfflineModel, client: TestClient) -> None:
    bodies = [{"user_id": f"u-{n}", "k": 6} for n in range(1, 9)]
    found = model.recommend_batch([RecommendRequest.model_validate(body) for body in bodies])
    assert [dump(one) for one in found] == [of_service(client, "/recommend", body) for body in bodies]
    assert len({one.items[0].item_id for one in found}) > 1  # not the same list for everybody


def test_the_other_answers_are_those_of_the_service(model: OfflineModel, client: TestClient) -> None:
    explained = {"user_id": "u-6", "item_ids": ["sku-3", "sku-4", "unknown"]}
    assert dump(model.explain(ItemsRequest.model_validate(explained))) == of_service(client, "/explain", explained)
    query = {"query": "red thing", "user_id": "u-6", "k": 4}
    assert dump(model.search(SearchRequest.model_validate(query))) == of_service(client, "/search", query)
    product = {"item_id": "sku-3", "k": 4}
    request = SimilarRequest.model_validate(product)
    assert dump(model.similar(request)) == of_service(client, "/similar", product)
    assert dump(model.bought_together(request)) == of_service(client, "/bundle", product)


def test_events_after_the_moment_do_not_count(model: OfflineModel, store: EventStore) -> None:
    before = store.history("u-3", 9)[0].at - 10**10
    assert model.recommend(RecommendRequest(user_id="u-3"), before).reason == "no history"
    assert model.recommend(RecommendRequest(user_id="u-3")).reason is None


def test_wrong_requests_are_errors(model: OfflineModel, bundle: Path, params: Params) -> None:
    with pytest.raises(ContractError, match=r"k is 51: expected a list length from 1 to serving\.max_k \(50\)"):
        model.recommend(RecommendRequest(user_id="u-1", k=51))
    with pytest.raises(ContractError, match="rule: character 1: no field 'prise'"):
        make_filters(["prise < 5"], False)
    with pytest.raises(UnknownItemError):
        model.similar(SimilarRequest(item_id="unknown"))
    alone = open_folder(bundle, params)
    assert alone.recommend(RecommendRequest.model_validate({"history": [{"item_id": "sku-1"}]})).items
    with pytest.raises(ContractError, match="give a history"):
        alone.recommend(RecommendRequest(user_id="u-1"))
    with pytest.raises(ContractError, match="leave in_stock out"):
        alone.recommend(RecommendRequest.model_validate({"filters": {"in_stock": True}}))
    alone.bundle.__dict__["search"] = None
    with pytest.raises(MissingPartError, match="carousel retrain"):
        alone.search(SearchRequest(query="red"))
