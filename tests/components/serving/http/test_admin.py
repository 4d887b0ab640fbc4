"""Those who run the service: a token opens, everything is written down, strangers stay outside."""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.conftest import TOKEN, FakeRegistry, Remake, served

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def audit(watcher: ModelWatcher) -> list[dict]:
    file = watcher.folder.parent / "audit.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
@pytest.mark.parametrize("path", ["/admin/reload", "/admin/back", "/admin/forget", "/admin/canary", "/admin/stock"])
def test_nobody_without_the_token(client: TestClient, watcher: ModelWatcher, path: str, headers: dict) -> None:
    bodies = {
        "/admin/forget": {"user_id": "ann"},
        "/admin/canary": {"share": 1},
        "/admin/stock": {"quantities": {"a": 1}},
    }
    reply = client.post(path, json=bodies.get(path), headers=headers)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert (audit(watcher)[-1]["what"], audit(watcher)[-1]["outcome"]) == (path, "refused")


def test_a_service_without_a_token_keeps_them_closed(watcher: ModelWatcher, params: Params) -> None:
    from components.serving.http.admin import Admin
    from components.serving.http.app import make_app, make_service

    service = make_service(watcher, params)
    app = make_app(service, Admin(service, None, watcher.folder / "audit.jsonl"), dict)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for sent in ("Bearer ", "Bearer None"):
            assert client.post("/admin/reload", headers={"Authorization": sent}).status_code == 401


def test_what_is_allowed_is_written_down_without_names(client: TestClient, watcher: ModelWatcher) -> None:
    client.post("/events", json={"events": [{"user_id": "ann", "item_id": "sku-1", "event": "view"}]})
    assert client.post("/admin/forget", json={"user_id": "ann"}, headers=BEARER).json() == {"events": 1}
    assert client.post("/recommend", json={"user_id": "ann"}).json()["reason"] == "no history"
    line = audit(watcher)[-1]
    assert (line["what"], line["outcome"]) == ("/admin/forget", "allowed")
    text = (watcher.folder.parent / "audit.jsonl").read_text()
    assert "ann" not in text
    assert TOKEN not in text


def test_back_to_the_version_before(client: TestClient, registry: FakeRegistry, remake: Remake) -> None:
    assert client.post("/admin/back", headers=BEARER).status_code == 409
    registry.put(remake("second"))
    assert client.post("/admin/reload", headers=BEARER).json() == {"version": 2}
    assert client.post("/admin/back", headers=BEARER).json() == {"version": 1}
    assert client.post("/admin/reload", headers=BEARER).json() == {"version": 1}  # the alias still names the other
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
def test_other_names_and_other_places(client: TestClient, headers: dict, status: int) -> None:
    reply = client.post("/recommend", json={}, headers=headers)
    assert reply.status_code == status
    assert client.get("/livez", headers=headers).status_code == 200  # probes come under any name


def test_any_name_where_that_is_wanted(watcher: ModelWatcher, params: Params) -> None:
    with served(watcher, params, allowed_hosts=["*"]) as client:
        assert client.post("/recommend", json={}, headers={"Host": "shop.example"}).status_code == 200


def test_the_audit_is_beside_the_bundles(watcher: ModelWatcher, tmp_path: Path) -> None:
    assert watcher.folder.parent == tmp_path
