"""While the event store fails, lists are made, no event is acknowledged, and the service recovers by itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.inference.store_reader import STORE_UNAVAILABLE
from components.serving.models.watcher import ModelWatcher
from components.serving.storage.event_store import StoreError
from components.serving.storage.event_store_sqlite import SqliteEventStore
from tests.components.serving.inference.support import check_answers_without_store
from tests.components.serving.support import ids, post_events, recommend, serving_client


class Switch:
    """Whether the store fails."""

    is_failing = False


@pytest.fixture(params=[True, False], ids=["read in the event loop", "read in threads"])
def switch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Switch:
    """Make stores that can fail, local ones (as a file) or remote ones (as a database)."""
    switch = Switch()

    def unless_failing(method: Any) -> Any:
        def call(*args: Any) -> Any:
            if switch.is_failing:
                raise StoreError("unavailable")
            return method(*args)

        return call

    for name in ("_query", "_transact", "history_version"):
        monkeypatch.setattr(SqliteEventStore, name, unless_failing(getattr(SqliteEventStore, name)))
    monkeypatch.setattr(SqliteEventStore, "is_local", request.param)
    return switch


def test_a_store_that_fails_and_recovers(switch: Switch, client: TestClient) -> None:
    post_events(client, "ann", 1, 3)
    last = recommend(client, user_id="ann", k=4)
    recommend(client, user_id="ann", k=4, filters={"in_stock": True})
    switch.is_failing = True
    check_answers_without_store(client, client, last)
    switch.is_failing = False
    post_events(client, "ann", 5)
    after = recommend(client, user_id="ann", k=4)
    assert (after["model"], after["reason"]) == ("ease", None)
    assert "sku-5" not in ids(after)


@pytest.fixture
def without_database(watcher: ModelWatcher, params: Params) -> Iterator[TestClient]:
    """Return a client of a service whose database refuses connections."""
    with serving_client(watcher, params, "postgresql://postgres@127.0.0.1:1/none") as client:
        yield client


def test_a_service_that_starts_without_its_database_answers(without_database: TestClient) -> None:
    assert without_database.get("/readyz").status_code == 200
    for _ in range(3):
        answer = recommend(without_database, user_id="ann", k=4)
        assert (answer["model"], answer["reason"], len(ids(answer))) == ("popularity", STORE_UNAVAILABLE, 4)
    reply = without_database.post("/recommend", json={"user_id": "ann", "filters": {"in_stock": True}})
    assert reply.status_code == 503  # the stock was never read
    event = {"user_id": "ann", "item_id": "sku-5", "event": "view"}
    reply = without_database.post("/events", json={"events": [event]})
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
