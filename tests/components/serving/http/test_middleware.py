"""Request ids, bounds on bodies, and failures."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from components.serving.inference import service as module
from components.serving.models.watcher import ModelWatcher


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
