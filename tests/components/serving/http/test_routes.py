"""The shop's routes end to end: an event changes the next list; answers contain the model, errors the cause."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from components.contracts import Users
from components.params import Params
from components.serving.inference.histories import HistoryRow, build_user
from components.serving.inference.search_service import SearchService
from components.serving.models.watcher import ModelWatcher
from components.serving.storage.event_store import StoredEvent
from tests.components.serving.support import (
    FakeRegistry,
    Remake,
    World,
    ids,
    post_events,
    recommend,
    serving_client,
)


def test_an_event_changes_the_same_users_next_list(client: TestClient) -> None:
    before = recommend(client, user_id="ann", k=4)
    assert (before["model"], before["reason"]) == ("popularity", "no history")
    stored = post_events(client, "ann", 1, 3)
    assert (stored["accepted"], stored["new"]) == (2, 2)
    after = recommend(client, user_id="ann", k=4)
    assert (after["model"], after["reason"]) == ("ease", None)
    assert all(int(i.split("-")[1]) % 2 == 1 for i in ids(after))
    assert not {"sku-1", "sku-3"} & set(ids(after))
    post_events(client, "ann", 2, 4, 6, 8, 10, event="purchase")
    assert ids(recommend(client, user_id="ann", k=4)) != ids(after)
    assert recommend(client, user_id="bob", k=4)["model"] == "popularity"
    assert ids(client.get("/recommend", params={"user_id": "ann", "k": 4}).json()) == ids(
        recommend(client, user_id="ann", k=4)
    )


def test_a_history_in_the_request_replaces_the_stored_one(client: TestClient) -> None:
    post_events(client, "ann", 2, 4, 6)
    answer = recommend(client, user_id="ann", history=[{"item_id": "sku-1"}, {"item_id": "sku-3"}], k=3)
    assert all(int(i.split("-")[1]) % 2 == 1 for i in ids(answer))


def test_events_survive_a_restart(watcher: ModelWatcher, params: Params) -> None:
    with serving_client(watcher, params) as client:
        post_events(client, "ann", 1, 3)
    with serving_client(watcher, params) as client:
        assert recommend(client, user_id="ann")["model"] == "ease"


def test_an_event_sent_twice_is_stored_once(client: TestClient) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    assert post_events(client, "ann", 1, timestamp=at)["new"] == 1
    assert post_events(client, "ann", 1, timestamp=at)["new"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": (datetime.now(UTC) + timedelta(days=2)).isoformat()},
        {"timestamp": "2026-01-01T00:00:00"},
        {"event": "stare"},
        {"item_id": ""},
        {"user_id": None},
        {"price": -1},
        {"quantity": "NaN"},
        {"colour": "red"},
    ],
)
def test_a_bad_event_is_refused_with_all_events_of_its_request(client: TestClient, change: dict) -> None:
    good = {"user_id": "ann", "item_id": "sku-1", "event": "view"}
    reply = client.post("/events", json={"events": [good, good | change]})
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
    assert recommend(client, user_id="ann")["reason"] == "no history"


def test_filters_rules_and_stock(client: TestClient) -> None:
    post_events(client, "ann", 1, 3)
    unfiltered = ids(recommend(client, user_id="ann", k=18))
    rule = 'price < 8 and "red" in title'
    filtered = ids(recommend(client, user_id="ann", k=18, filters={"rules": [rule]}))
    assert filtered
    assert filtered == [i for i in unfiltered if i in filtered]
    reply = client.post("/recommend", json={"filters": {"rules": ["price <"]}})
    assert reply.status_code == 422
    assert "rules" in reply.json()["detail"]
    bearer = {"Authorization": "Bearer t0ken"}
    assert client.post("/admin/stock", json={"quantities": {unfiltered[0]: 0}}, headers=bearer).status_code == 200
    assert ids(recommend(client, user_id="ann", k=5, filters={"in_stock": True})) == unfiltered[1:6]
    assert ids(recommend(client, user_id="ann", k=5)) == unfiltered[:5]


def test_explanations_of_a_list_and_of_given_products(client: TestClient) -> None:
    post_events(client, "ann", 1, 3)
    answer = recommend(client, user_id="ann", k=3, explain=True)
    for item in answer["items"]:
        assert sum(item["contributions"].values()) == pytest.approx(item["score"], abs=1e-5)
        assert item["explained_by"] in ("sku-1", "sku-3")
    body = {"user_id": "ann", "item_ids": ["sku-2", "gone", *ids(answer)]}
    explained = client.post("/explain", json=body).json()
    assert ids(explained) == ["sku-2", *ids(answer)]
    scores = {item["item_id"]: item["score"] for item in answer["items"]}
    assert {i["item_id"]: i["score"] for i in explained["items"][1:]} == pytest.approx(scores, abs=1e-5)


def test_personal_data_in_a_query_reaches_neither_index_nor_cache(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(query: str) -> dict:
        return client.post("/search", json={"query": query, "k": 6}).json()

    seen: list[str] = []
    original = SearchService.search
    monkeypatch.setattr(
        SearchService, "search", lambda self, query, *rest: seen.append(query.strip()) or original(self, query, *rest)
    )
    assert ids(search("red john.smith@example.com")) == ids(search("red"))
    search("手机13812345678")
    search("sku-1")
    assert seen == ["red", "red", "手机", "sku-1"]


def test_search_results_are_ranked_for_the_user(client: TestClient) -> None:
    def search(query: str = "thing", **more: object) -> dict:
        reply = client.post("/search", json={"query": query, "k": 6} | more)
        assert reply.status_code == 200, reply.text
        return reply.json()

    post_events(client, "ann", 1, 3, 5)
    post_events(client, "bob", 2, 4, 6)
    assert ids(search(user_id="ann")) != ids(search(user_id="bob"))
    assert ids(search(user_id="ann", personal=False)) == ids(search(user_id="bob", personal=False)) == ids(search())
    assert all(int(i.split("-")[1]) % 2 == 1 for i in ids(search("red")))
    assert all(int(i.split("-")[1]) % 2 == 0 for i in ids(search("bleu", user_id="ann")))
    assert search("bleu")["reason"] == "read as blue"
    assert "nothing matches" in search("zzzz")["reason"]
    assert len(search("zzzz")["items"]) == 6
    assert ids(search("red", filters={"rules": ['item_id == "sku-7"']})) == ["sku-7"]
    assert client.post("/search", json={"query": "x" * 201}).status_code == 422


def test_products_bought_together(client: TestClient) -> None:
    answer = client.post("/bundle", json={"item_id": "sku-2", "k": 4}).json()
    assert all(int(i.split("-")[1]) % 2 == 0 for i in ids(answer))
    assert client.post("/bundle", json={"item_id": "gone"}).status_code == 404


def test_rank_without_a_ranker_is_an_error_with_the_reason(client: TestClient) -> None:
    reply = client.post("/rank", json={"user_id": "ann", "item_ids": ["sku-1"]})
    assert reply.status_code == 404
    assert "no ranker" in reply.json()["detail"]


def test_the_profile_of_a_user(client: TestClient) -> None:
    assert client.post("/profile", json={"user_id": "ann"}).json()["profile"] is None
    post_events(client, "ann", 1, 3)
    post_events(client, "ann", 3, event="purchase", price=4.0, quantity=2)
    answer = client.post("/profile", json={"user_id": "ann"}).json()
    assert [e["item_id"] for e in answer["history"]] == ["sku-1", "sku-3", "sku-3"]
    assert answer["profile"]["frequency"] == 1


def test_each_list_is_logged_with_a_row_for_each_product(watcher: ModelWatcher, params: Params) -> None:
    with serving_client(watcher, params) as client:
        answer = recommend(client, user_id="ann", k=3, context={"session_id": "s1"})
        client.get("/similar", params={"item_id": "sku-1", "k": 2})
    files = sorted((watcher.folder / "exposures").glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    mine = [row for row in rows if row["request_id"] == answer["request_id"]]
    assert [row["item_id"] for row in mine] == ids(answer)
    assert [row["position"] for row in mine] == [1, 2, 3]
    assert {(r["user_id"], r["session_id"], r["event"], r["version"], r["route"]) for r in mine} == {
        ("ann", "s1", "impression", 1, "/recommend")
    }
    assert len(rows) == 5


def test_a_new_champion_answers_from_the_same_history(
    client: TestClient, registry: FakeRegistry, remake: Remake
) -> None:
    post_events(client, "ann", 1, 3)
    first = recommend(client, user_id="ann", k=5)
    registry.put(remake("next"))
    watcher = client.service.watcher  # type: ignore[attr-defined]
    watcher.poll()
    again = recommend(client, user_id="ann", k=5)
    assert (first["version"], again["version"]) == (1, 2)
    assert ids(first) == ids(again)


def test_a_thousand_requests_have_the_scores_of_batch_evaluation(client: TestClient, world: World) -> None:
    """The model ranks all histories in one batch, as evaluation does."""
    rng = np.random.default_rng(0)
    bundle = client.service.champion().bundle  # type: ignore[attr-defined]
    histories = [rng.choice(np.arange(1, 20), size=rng.integers(1, 9)).tolist() for _ in range(1000)]
    answered = []
    for n, items in enumerate(histories):
        if n % 2:
            post_events(client, f"user-{n}", *items)
            answered.append(recommend(client, user_id=f"user-{n}", k=10))
        else:
            history = [{"item_id": f"sku-{i}", "event": "view"} for i in items]
            answered.append(recommend(client, history=history, k=10))
    users = Users.concat(
        [build_user(bundle, [HistoryRow(f"sku-{i}", "view", None) for i in items]) for items in histories]
    )
    ranked = bundle.model.recommend(users, 10, True)
    for n, answer in enumerate(answered):
        expected = {bundle.item_ids[i]: s for i, s in zip(ranked.items[n], ranked.scores[n], strict=True) if i}
        got = {item["item_id"]: item["score"] for item in answer["items"]}
        assert got == pytest.approx(expected, abs=1e-5), n


def test_events_that_cannot_be_written_get_503(client: TestClient, tmp_path: Path) -> None:
    import sqlite3

    def refuse(parts: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    client.service.store._commit = refuse  # type: ignore[attr-defined]
    event = {"user_id": "ann", "item_id": "sku-1", "event": "view"}
    reply = client.post("/events", json={"events": [event]})
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert recommend(client, user_id="ann")["reason"] == "no history"


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [
        ("1969-12-31T23:59:59Z", "before 1990-01-01"),
        ("1970-01-21T16:00:00Z", "before 1990-01-01"),  # seconds taken for milliseconds
        (1767225600 / 1000, "before 1990-01-01"),
        ("0001-01-01T00:00:00+14:00", "before 1990-01-01"),
        ("2026-01-01T00:00:00+99:99", "zone from -12:00 to +14:00"),
        ("2026-01-01T00:00:00+25:00", "zone from -12:00 to +14:00"),
        ("2026-01-01T00:00:00-23:59", "zone from -12:00 to +14:00"),
        ("2026-01-01T00:00:00+14:01", "zone from -12:00 to +14:00"),
        ("2026-01-01", "zone from -12:00 to +14:00"),
        ("9999-12-31T23:59:59Z", "in the future"),
        ("9999-12-31T23:59:59-12:00", "in the future"),
    ],
)
def test_an_event_of_a_wrong_clock_is_refused_with_the_reason(
    client: TestClient, timestamp: str | float, reason: str
) -> None:
    event = {"user_id": "ann", "item_id": "sku-1", "event": "view", "timestamp": timestamp}
    reply = client.post("/events", json={"events": [event]})
    assert reply.status_code == 422
    assert reason in reply.text
    assert "timestamp" in reply.text
    assert client.post("/profile", json={"user_id": "ann"}).json()["history"] == []


def test_stored_events_of_a_wrong_clock_are_left_out(client: TestClient) -> None:
    store = client.service.store  # type: ignore[attr-defined]
    wrong = [-62_135_647_200_000_000, -1, 5, 253_402_343_999_000_000, 2**62]
    store.put([StoredEvent("ann", at, "sku-3", "view") for at in wrong]).result()
    alone = client.post("/profile", json={"user_id": "ann"})
    assert (alone.status_code, alone.json()["history"], alone.json()["profile"]) == (200, [], None)
    post_events(client, "ann", 1, 2)
    profile = client.post("/profile", json={"user_id": "ann"}).json()
    assert [e["item_id"] for e in profile["history"]] == ["sku-1", "sku-2"]
    assert 0 <= profile["profile"]["tenure_days"] < 1
    assert client.post("/recommend", json={"user_id": "ann", "k": 3}).json()["reason"] is None
    for path in ("/rank", "/explain"):
        assert client.post(path, json={"user_id": "ann", "item_ids": ["sku-4"]}).status_code in (200, 404)


def test_an_id_with_blanks_around_it_is_the_same_user_and_product(client: TestClient) -> None:
    sent = [{"user_id": "ann\u00a0", "item_id": item, "event": "view"} for item in (" sku-1 ", "sku-3\n")]
    assert client.post("/events", json={"events": sent}).json()["new"] == 2
    history = client.post("/profile", json={"user_id": " ann"}).json()["history"]
    assert [event["item_id"] for event in history] == ["sku-1", "sku-3"]
    assert recommend(client, user_id="ann ")["model"] == "ease"


def test_a_word_for_no_user_gets_the_list_of_an_unknown_visitor(client: TestClient) -> None:
    assert recommend(client, user_id="NULL")["items"] == recommend(client)["items"]
    refused = client.post("/events", json={"events": [{"user_id": "NULL", "item_id": "sku-1", "event": "view"}]})
    assert refused.status_code == 422
    assert "stands for no value" in refused.json()["errors"][0]["what"]


def test_the_shop_says_which_further_ids_are_no_user(watcher: ModelWatcher, params: Params) -> None:
    shop = params.model_copy(update={"data": params.data.model_copy(update={"null_ids": ["0"]})})
    event = {"events": [{"user_id": "0", "item_id": "sku-1", "event": "view"}]}
    with serving_client(watcher, params) as client:
        assert client.post("/events", json=event).status_code == 200
    with serving_client(watcher, shop) as client:
        assert client.post("/events", json=event).status_code == 422
        assert recommend(client, user_id="0")["items"] == recommend(client)["items"]
