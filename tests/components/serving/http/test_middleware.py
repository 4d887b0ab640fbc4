"""Request ids, HEAD, bounds on bodies, whom the headers Host and Origin allow, CORS, and failures."""

from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.inference import service as module
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.support import serving_client

SHOP = ["127.0.0.1", "recs.shop.example", "shop.example", "::1"]  # serving.allowed_hosts
EVENTS = '{"events": [{"user_id": "ann", "item_id": "sku-1", "event": "view"}]}'


def test_the_request_id_of_the_caller_is_returned(client: TestClient) -> None:
    assert client.get("/livez", headers={"x-request-id": "a-1"}).headers["x-request-id"] == "a-1"
    assert client.get("/livez", headers={"x-request-id": "a b\x7f"}).headers["x-request-id"] != "a b\x7f"


def test_chunked_bodies_are_bounded_too(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    headers = {"content-type": "application/json"}
    assert client.post("/recommend", content=chunks(), headers=headers).status_code == 413
    assert client.post("/recommend", content=iter([b'{"k"', b": 3}"]), headers=headers).status_code == 200


def test_a_failure_is_a_problem(client: TestClient, watcher: ModelWatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError("user ann")

    monkeypatch.setattr(module, "find_similar", fail)
    reply = client.get("/similar", params={"item_id": "sku-1"})
    assert (reply.status_code, reply.headers["content-type"]) == (500, "application/problem+json")
    assert "ann" not in reply.text


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/metrics", "/", "/page/categories", "/status", "/openapi.json", "/page/users"]
)
def test_head_is_answered_as_get_without_the_body(client: TestClient, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    own = {"x-request-id", "content-length"} if path == "/metrics" else {"x-request-id"}  # that text counts requests
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in got.headers.items() if k not in own
    }
    assert int(head.headers["content-length"]) > 0


def test_head_of_a_list_shows_nothing(client: TestClient) -> None:
    for path in ("/recommend?user_id=ann", "/similar?item_id=sku-1"):
        assert client.head(path).status_code == 200
    service = client.service  # type: ignore[attr-defined]
    shown = client.get("/similar?item_id=sku-1").json()
    service.exposures.stop()
    rows = [row for file in service.exposures.folder.glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    assert {row["request_id"] for row in rows} == {shown["request_id"]}
    assert client.head("/similar?item_id=unknown").status_code == 404
    assert client.head("/events").status_code == 405


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("recs.shop.example", "https://shop.example", 200),
        ("127.0.0.1:8000", "https://shop.example", 200),  # nginx passes its own address on
        ("RECS.shop.example.:443", "https://recs.shop.example", 200),
        ("[::1]:8000", "http://[0::1]:8000", 200),
        ("shop.example", None, 200),
        ("shop.example", "https://shop.example.evil.example", 403),
        ("shop.example", "https://evil.example", 403),
        ("shop.example", "https://shop.example@evil.example", 403),
        ("shop.example", "https://evil.example@shop.example", 403),
        ("shop.example", "null", 403),
        ("shop.example", "", 403),
        ("evil@shop.example", None, 403),
        ("shop.example:80@evil.example", None, 403),
        ("shop.example:evil", None, 403),
        ("evil.example", "https://shop.example", 403),
        ("", None, 403),
    ],
)
def test_host_and_origin_are_judged_by_the_allowed_hosts(
    watcher: ModelWatcher, params: Params, host: str, origin: str | None, status: int
) -> None:
    headers = {"host": host, "content-type": "text/plain"} | ({} if origin is None else {"origin": origin})
    with serving_client(watcher, params, allowed_hosts=SHOP) as client:
        assert client.post("/events", content=EVENTS, headers=headers).status_code == status


def test_pages_of_the_listed_origins_may_read_answers_and_errors(watcher: ModelWatcher, params: Params) -> None:
    page = "https://www.shop.example:8443"
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    with serving_client(watcher, params, cors_origins=[page]) as client:
        asked = client.options("/recommend", headers={"origin": page, **preflight})
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, page)
        assert {"GET", "POST"} <= set(asked.headers["access-control-allow-methods"].split(", "))
        assert "Content-Type" in asked.headers["access-control-allow-headers"].split(", ")
        for body, status in (({"k": 3}, 200), ({"k": 0}, 422), ({"query": "x" * 70_000}, 413)):
            reply = client.post("/recommend", json=body, headers={"origin": page})
            assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (status, page)
            assert "Origin" in reply.headers["vary"]
            assert "access-control-allow-credentials" not in reply.headers
        for other in ("https://www.shop.example", "http://www.shop.example:8443", "https://evil.example", "null"):
            assert client.post("/recommend", json={}, headers={"origin": other}).status_code == 403
            refused = client.options("/recommend", headers={"origin": other, **preflight})
            assert "access-control-allow-origin" not in refused.headers
            assert refused.status_code == 400
        assert client.options("/recommend", headers={"origin": page}).status_code == 405


def test_without_listed_origins_no_page_elsewhere_may_read(watcher: ModelWatcher, params: Params) -> None:
    headers = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    with serving_client(watcher, params, allowed_hosts=SHOP) as client:
        for reply in (
            client.options("/recommend", headers=headers),
            client.post("/recommend", json={}, headers=headers),
        ):
            assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/profile%0A", "/livez%00", "/recommend%7f"])
def test_a_path_with_control_characters_matches_no_route(client: TestClient, path: str) -> None:
    assert client.post(path, json={"user_id": "ann"}).status_code == 400
