"""Checks of answers while the event store is unavailable."""

import time
from typing import Any

from fastapi.testclient import TestClient

from components.serving.inference.store_reader import STORE_UNAVAILABLE
from tests.components.serving.support import ids, recommend


def check_answers_without_store(one: TestClient, other: TestClient, last: dict[str, Any]) -> None:
    """Check all routes. last: the list of `one` for ann before; the stock was read, too."""
    cached = recommend(one, user_id="ann", k=4)
    assert (ids(cached), cached["model"], cached["reason"]) == (ids(last), "ease", STORE_UNAVAILABLE)
    unknown = recommend(other, user_id="bob", k=4)
    assert (unknown["model"], unknown["reason"], len(ids(unknown))) == ("popularity", STORE_UNAVAILABLE, 4)
    in_stock = recommend(one, user_id="ann", k=4, filters={"in_stock": True})
    assert in_stock["reason"] == STORE_UNAVAILABLE  # from the last stock read
    found = other.post("/search", json={"query": "shoe", "user_id": "ann", "k": 3})
    assert found.status_code == 200, found.text
    event = {"user_id": "ann", "item_id": "sku-5", "event": "view"}
    for path, body in (
        ("/events", {"events": [event]}),
        ("/profile", {"user_id": "ann"}),
        ("/explain", {"user_id": "ann", "item_ids": ["sku-5"]}),
        ("/page/compare", {"user_id": "ann"}),
    ):
        reply = one.post(path, json=body)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1"), (path, reply.text)
    assert recommend(other, history=[{"item_id": "sku-1"}], k=4)["reason"] is None  # needs no store


def wait_until_store_answers(client: TestClient) -> None:
    """Wait until the store answers again; the test's timeout applies if it never does."""
    while client.post("/profile", json={"user_id": "ann"}).status_code == 503:
        time.sleep(0.05)
