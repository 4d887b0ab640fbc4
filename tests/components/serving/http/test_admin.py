"""Admin routes need the token and are logged; wrong tokens are slowed; foreign hosts and origins are refused."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.http import attempts
from components.serving.models.watcher import ModelWatcher
from components.serving.storage.event_store import StoredEvent
from tests.components.serving.support import (
    TOKEN,
    FakeRegistry,
    Remake,
    recommend,
    serving_client,
    view_and_recommend,
)

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def audit(watcher: ModelWatcher) -> list[dict]:
    file = watcher.folder.parent / "audit.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
@pytest.mark.parametrize("path", ["/admin/reload", "/admin/revert", "/admin/forget", "/admin/canary", "/admin/stock"])
def test_admin_routes_need_the_token(client: TestClient, watcher: ModelWatcher, path: str, headers: dict) -> None:
    bodies = {
        "/admin/forget": {"user_id": "ann"},
        "/admin/canary": {"share": 1},
        "/admin/stock": {"quantities": {"a": 1}},
    }
    reply = client.post(path, json=bodies.get(path), headers=headers)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert (audit(watcher)[-1]["what"], audit(watcher)[-1]["outcome"]) == (path, "refused")


def test_wrong_tokens_are_slowed_and_the_right_one_gets_through(
    watcher: ModelWatcher, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "CLIENT_INTERVAL_S", 0.2)
    monkeypatch.setattr(attempts, "OVERALL_INTERVAL_S", 0.2)
    with serving_client(watcher, params) as client:

        def guess(n: int) -> int:
            return client.post("/admin/reload", headers={"Authorization": f"Bearer guess-{n}"}).status_code

        with ThreadPoolExecutor(40) as pool:
            statuses = Counter(pool.map(guess, range(400)))
        assert set(statuses) == {401, 429}
        assert statuses[401] < 100  # judged: the first ones, and then five a second
        for _ in range(50):
            assert client.post("/admin/reload", headers=BEARER).status_code == 200
    lines = audit(watcher)
    assert sum(line["outcome"] == "refused" for line in lines) < 20
    assert sum(line["outcome"] == "allowed" for line in lines) == 50


def test_a_request_without_the_token_learns_nothing_of_the_body(client: TestClient, watcher: ModelWatcher) -> None:
    assert client.post("/admin/canary", json={"share": 7}).status_code == 401
    assert client.post("/admin/canary", json={"share": 7}, headers=BEARER).status_code == 422
    assert [line["outcome"] for line in audit(watcher)] == ["refused", "allowed"]


def test_without_a_configured_token_every_admin_call_is_refused(watcher: ModelWatcher, params: Params) -> None:
    from components.serving.http.admin import Admin
    from components.serving.http.app import make_app, make_service

    service = make_service(watcher, params)
    app = make_app(service, Admin(service, None, watcher.folder / "audit.jsonl"), dict)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for header in ("Bearer ", "Bearer None"):
            assert client.post("/admin/reload", headers={"Authorization": header}).status_code == 401


def test_the_audit_log_contains_no_user_and_no_token(client: TestClient, watcher: ModelWatcher) -> None:
    client.post("/events", json={"events": [{"user_id": "ann", "item_id": "sku-1", "event": "view"}]})
    assert client.post("/admin/forget", json={"user_id": "ann"}, headers=BEARER).json() == {"events": 1}
    assert client.post("/recommend", json={"user_id": "ann"}).json()["reason"] == "no history"
    line = audit(watcher)[-1]
    assert (line["what"], line["outcome"]) == ("/admin/forget", "allowed")
    text = (watcher.folder.parent / "audit.jsonl").read_text()
    assert "ann" not in text
    assert TOKEN not in text


def test_revert_to_the_previous_version(client: TestClient, registry: FakeRegistry, remake: Remake) -> None:
    assert client.post("/admin/back", headers=BEARER).status_code == 409  # the route's name in version 0.1
    registry.put(remake("second"))
    assert client.post("/admin/reload", headers=BEARER).json() == {"version": 2}
    assert client.post("/admin/revert", headers=BEARER).json() == {"version": 1}
    assert client.post("/admin/reload", headers=BEARER).json() == {"version": 1}  # the alias still names version 2
    assert client.get("/readyz").json()["version"] == 1
    registry.put(remake("third"))
    assert client.post("/admin/reload", headers=BEARER).json() == {"version": 3}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 200),
        ({"Origin": "http://127.0.0.1"}, 200),
    ],
)
def test_foreign_hosts_and_origins_are_refused(client: TestClient, headers: dict, status: int) -> None:
    reply = client.post("/recommend", json={}, headers=headers)
    assert reply.status_code == status
    assert client.get("/livez", headers=headers).status_code == 200  # probes are answered under any name


def test_a_star_allows_any_host(watcher: ModelWatcher, params: Params) -> None:
    with serving_client(watcher, params, allowed_hosts=["*"]) as client:
        assert client.post("/recommend", json={}, headers={"Host": "shop.example"}).status_code == 200


def test_the_audit_log_is_beside_the_bundles(watcher: ModelWatcher, tmp_path: Path) -> None:
    assert watcher.folder.parent == tmp_path


def test_a_forgotten_user_is_in_no_byte_of_the_home_folder_and_in_no_memory(
    client: TestClient, watcher: ModelWatcher, tmp_path: Path
) -> None:
    service = client.service  # type: ignore[attr-defined]
    for _ in range(3):
        view_and_recommend(client, "ann-q7x9")
    view_and_recommend(client, "bob-q7x9")
    service.exposures._flush()
    recommend(client, user_id="ann-q7x9", k=3)

    def traces(user: str) -> list[str]:
        files = [path for path in tmp_path.rglob("*") if path.is_file() and user.encode() in path.read_bytes()]
        queued = ["queue" for exposure in service.exposures._queue if exposure.user_id == user]
        return [*(path.name for path in files), *queued, *("list" for _, u in service._user_lists if u == user)]

    assert {"queue", "list"} < set(traces("ann-q7x9"))
    assert len(set(traces("ann-q7x9"))) >= 4  # and a file of exposures, and the store
    assert client.post("/admin/forget", json={"user_id": "ann-q7x9"}, headers=BEARER).json() == {"events": 3}
    assert traces("ann-q7x9") == []
    assert not service._recent
    assert len(traces("bob-q7x9")) >= 3
    assert client.post("/profile", json={"user_id": "ann-q7x9"}).json()["history"] == []
    view_and_recommend(client, "ann-q7x9")  # the user comes back
    service.exposures._flush()
    assert len(client.post("/profile", json={"user_id": "ann-q7x9"}).json()["history"]) == 1
    assert traces("ann-q7x9")


def test_a_user_stored_under_an_id_that_is_refused_today_is_forgotten(watcher: ModelWatcher, params: Params) -> None:
    from components.serving.http.admin import Admin
    from components.serving.http.app import make_app, make_service

    service = make_service(watcher, params)
    app = make_app(service, Admin(service, TOKEN, watcher.folder / "audit.jsonl"), dict)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        service.store.put([StoredEvent(user, 1, "sku-1", "view") for user in ("4.0E+12 ", "4.0E+12", "bob")]).result()
        request = {"user_id": "4.0E+12 "}
        assert client.post("/admin/forget", json=request, headers=BEARER).json() == {"events": 2}
        assert [e.user_id for e in service.store.history("bob", 9)] == ["bob"]
