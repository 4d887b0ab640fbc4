"""Two services with one database: what one is told, both know; while the database is away, both go on answering."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.inference.service import AWAY
from components.serving.metrics import ServiceMetrics
from components.serving.models.watcher import ModelWatcher
from components.serving.storage.event_store_postgres import AWAY_S
from tests.components.serving.conftest import TOKEN, FakeRegistry, served
from tests.components.serving.http.test_routes import ids, recommend, tell
from tests.components.serving.postgres import Postgres

ADMIN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def replicas(registry: FakeRegistry, params: Params, postgres: Postgres, tmp_path: Path) -> Iterator[list[TestClient]]:
    url = postgres.create_database()
    with ExitStack() as stack:
        clients = []
        for name in ("one", "other"):
            watcher = ModelWatcher(registry, tmp_path / name / "serving", params.serving.poll_s, ServiceMetrics())
            watcher.folder.mkdir(parents=True)
            watcher.poll()
            clients.append(stack.enter_context(served(watcher, params, url)))
        yield clients


def test_what_one_is_told_changes_the_next_list_of_the_other(replicas: list[TestClient]) -> None:
    one, other = replicas
    assert recommend(other, user_id="ann", k=4)["reason"] == "no history"
    for n in range(1, 12, 2):  # lists are kept by both, and none is out of date
        tell(one if n % 4 == 1 else other, "ann", n)
        lists = [ids(recommend(client, user_id="ann", k=4)) for client in replicas]
        assert lists[0] == lists[1]
        assert f"sku-{n}" not in lists[0]
    assert other.post("/profile", json={"user_id": "ann"}).json()["history"][-1]["item_id"] == "sku-11"
    one.post("/admin/stock", json={"quantities": {lists[0][0]: 0}}, headers=ADMIN).raise_for_status()
    left = ids(recommend(other, user_id="ann", k=4, filters={"in_stock": True}))
    assert lists[0][0] not in left
    assert one.post("/admin/forget", json={"user_id": "ann"}, headers=ADMIN).json() == {"events": 6}
    assert recommend(other, user_id="ann", k=4)["reason"] == "no history"


def test_without_the_database_there_are_lists_and_nothing_is_promised(
    replicas: list[TestClient], postgres: Postgres
) -> None:
    one, other = replicas
    tell(one, "ann", 1, 3)
    before = recommend(one, user_id="ann", k=4)
    in_stock = {"filters": {"in_stock": True}}
    recommend(one, user_id="ann", k=4, **in_stock)
    postgres.kill()
    try:
        kept = recommend(one, user_id="ann", k=4)
        assert (ids(kept), kept["model"], kept["reason"]) == (ids(before), "ease", AWAY)
        stranger = recommend(other, user_id="ann", k=4)
        assert (stranger["model"], stranger["reason"], len(ids(stranger))) == ("popularity", AWAY, 4)
        assert recommend(one, user_id="ann", k=4, **in_stock)["reason"] == AWAY  # by the stock that was known last
        searched = other.post("/search", json={"query": "shoe", "user_id": "ann", "k": 3})
        assert searched.status_code == 200, searched.text
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
    finally:
        postgres.start()
    time.sleep(AWAY_S)
    tell(other, "ann", 5)
    after = recommend(one, user_id="ann", k=4)
    assert (after["model"], after["reason"]) == ("ease", None)
    assert "sku-5" not in ids(after)
