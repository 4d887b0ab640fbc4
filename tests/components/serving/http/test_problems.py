"""Every invalid request gets a problem that names the field, and never contains request data."""

import json

import pytest
from fastapi.testclient import TestClient

GOOD = {"item_id": "sku-1"}
DEEP = b"[" * 30_000 + b"]" * 30_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"k": 0}', 422),
        (b'{"k": -1}', 422),
        (b'{"k": 51}', 422),
        (b'{"k": 1000000000}', 422),
        (b'{"k": ' + b"9" * 5000 + b"}", 400),
        (b'{"k": "10"}', 422),
        (b'{"k": true}', 422),
        (b'{"k": 2.5}', 422),
        (b'{"k": NaN}', 422),
        (b'{"k": Infinity}', 422),
        (b'{"k": 1e400}', 422),
        (b'{"k": null}', 422),
        (b'{"user_id": "\\ud800"}', 422),
        (b'{"history": [{"item_id": "\\udfff"}]}', 422),
        (b'{"history": [{"item_id": ""}]}', 422),
        (b'{"history": [{"item_id": 5}]}', 422),
        (b'{"history": [{"item_id": "sku-1", "event": "veiw"}]}', 422),
        (b'{"history": [{"item_id": "sku-1", "timestamp": "2026-01-01T00:00:00"}]}', 422),
        (b'{"history": [{"item_id": "sku-1", "timestamp": NaN}]}', 422),
        (b'{"history": [{"item_id": "sku-1", "timestamp": 1e400}]}', 422),
        (b'{"history": [{"item_id": "sku-1", "timestamp": "2026-01-01T00:00:00Z"}, {"item_id": "sku-2"}]}', 422),
        (b'{"history": {"item_id": "sku-1"}}', 422),
        (b'{"histroy": []}', 422),
        (b'{"\\ud800": 1}', 422),
        (b"[]", 422),
        (b"null", 422),
        (b"", 422),
        (b"{", 422),
        (b"\xff\xfe", 422),
        (DEEP, 400),
        (b'{"history": [' + b"{}," * 5000 + b"{}]}", 422),
        (b'{"user_id": "' + b"x" * 70_000 + b'"}', 413),
    ],
    ids=lambda value: str(value[:60]) if isinstance(value, bytes) else str(value),
)
def test_wrong_bodies_get_a_problem(client: TestClient, body: bytes, status: int) -> None:
    reply = client.post("/recommend", content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    problem = json.loads(reply.content.decode("ascii"))
    assert problem["status"] == status
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert problem["detail"]
    assert len(reply.content) < 3000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("DELETE", "/recommend", 405),
        ("GET", "/similar", 422),
        ("GET", "/similar?item_id=gone", 404),
        ("GET", "/similar?item_id=sku-1&k=0", 422),
        ("GET", "/similar?item_id=sku-1&k=51", 422),
        ("GET", "/recommend?k=1e400", 422),
        ("GET", "/recommend?k=" + "9" * 5000, 422),
        ("GET", "/recommend?item_id=%ED%A0%80", 422),
        ("GET", "/recommend?item_id=%00", 422),
    ],
)
def test_wrong_paths_get_a_problem(client: TestClient, method: str, path: str, status: int) -> None:
    reply = client.request(method, path)
    assert reply.status_code == status
    if status != 200:
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == status


def test_a_problem_names_the_field_and_contains_no_request_data(client: TestClient) -> None:
    sent = {"history": [GOOD, {"item_id": "sku-1", "event": "secret-word"}], "secret-field": 1}
    problem = client.post("/recommend", json=sent).json()
    assert {e["where"] for e in problem["errors"]} == {"body.history.1.event", "body.(unknown field)"}
    assert "secret" not in json.dumps(problem)
