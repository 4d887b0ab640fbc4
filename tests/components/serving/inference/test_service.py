"""The service end to end: histories, the list cache, and answers while the event store is unavailable."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.metrics import ServiceMetrics
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.inference.support import check_answers_without_store, wait_until_store_answers
from tests.components.serving.postgres import Postgres
from tests.components.serving.support import TOKEN, FakeRegistry, ids, post_events, recommend, serving_client

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
            clients.append(stack.enter_context(serving_client(watcher, params, url)))
        yield clients


def test_an_event_sent_to_one_replica_changes_the_next_list_of_the_other(replicas: list[TestClient]) -> None:
    one, other = replicas
    assert recommend(other, user_id="ann", k=4)["reason"] == "no history"
    for n in range(1, 12, 2):  # both cache lists, and neither answers with an outdated one
        post_events(one if n % 4 == 1 else other, "ann", n)
        lists = [ids(recommend(client, user_id="ann", k=4)) for client in replicas]
        assert lists[0] == lists[1]
        assert f"sku-{n}" not in lists[0]
    assert other.post("/profile", json={"user_id": "ann"}).json()["history"][-1]["item_id"] == "sku-11"
    one.post("/admin/stock", json={"quantities": {lists[0][0]: 0}}, headers=ADMIN).raise_for_status()
    left = ids(recommend(other, user_id="ann", k=4, filters={"in_stock": True}))
    assert lists[0][0] not in left
    assert one.post("/admin/forget", json={"user_id": "ann"}, headers=ADMIN).json() == {"events": 6}
    assert recommend(other, user_id="ann", k=4)["reason"] == "no history"


def test_without_the_database_there_are_lists_and_nothing_is_acknowledged(
    replicas: list[TestClient], postgres: Postgres
) -> None:
    one, other = replicas
    post_events(one, "ann", 1, 3)
    last = recommend(one, user_id="ann", k=4)
    recommend(one, user_id="ann", k=4, filters={"in_stock": True})
    postgres.kill()
    try:
        check_answers_without_store(one, other, last)
    finally:
        postgres.start()
    wait_until_store_answers(one)
    wait_until_store_answers(other)
    post_events(other, "ann", 5)
    after = recommend(one, user_id="ann", k=4)
    assert (after["model"], after["reason"]) == ("ease", None)
    assert "sku-5" not in ids(after)


def test_a_list_is_made_once_until_an_event_of_the_user(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    service = client.service  # type: ignore[attr-defined]
    submitted: list[object] = []
    real = service.scorer.submit
    monkeypatch.setattr(service.scorer, "submit", lambda *args: submitted.append(args) or real(*args))
    post_events(client, "ann", 1)
    first, second = (recommend(client, user_id="ann", k=4) for _ in range(2))
    assert ids(first) == ids(second)
    assert len(submitted) == 1
    post_events(client, "ann", 3)
    recommend(client, user_id="ann", k=4)
    assert len(submitted) == 2
