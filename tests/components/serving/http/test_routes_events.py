"""The header Idempotency-Key of POST /events: a repeated request counts once, also after a restart; wrong keys."""

import pytest
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.support import serving_client


def test_a_repeated_request_with_its_key_counts_once(watcher: ModelWatcher, params: Params) -> None:
    def send(client: TestClient, key: str, item: str = "sku-1", **more: object) -> tuple[int, object]:
        event = {"user_id": "ann", "item_id": item, "event": "purchase"} | more
        reply = client.post("/events", json={"events": [event]}, headers={"Idempotency-Key": key})
        return reply.status_code, reply.json().get("new", reply.text)

    with serving_client(watcher, params) as client:
        assert send(client, "8e03978e") == (200, 1)
        assert send(client, "8e03978e") == (200, 0)
        assert send(client, '"8e03978e"') == (200, 0)  # as the IETF draft writes it
        assert send(client, "8e03978e", quantity=None) == (200, 0)  # the same event in other words
        assert send(client, "other") == (200, 1)
    with serving_client(watcher, params) as client:
        assert send(client, "8e03978e") == (200, 0)
        status, text = send(client, "8e03978e", "sku-2")
        assert (status, "used before with another body; expected a new key" in str(text)) == (422, True)
        history = client.post("/profile", json={"user_id": "ann"}).json()["history"]
        assert [event["item_id"] for event in history] == ["sku-1", "sku-1"]
        metrics = client.get("/metrics").text
        assert 'carousel_events_total{event="purchase"} 2.0' in metrics


@pytest.mark.parametrize("key", ["", " ", "a b", 'a"b', '"', "\u00e9", "x" * 256])
def test_a_key_that_is_none_is_refused(client: TestClient, key: str) -> None:
    events = {"events": [{"user_id": "ann", "item_id": "sku-1", "event": "view"}]}
    reply = client.post("/events", json=events, headers={"Idempotency-Key": key.encode("latin-1")})
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["where"] == "header.Idempotency-Key"
    assert "1 to 255 visible ASCII characters" in reply.json()["errors"][0]["what"]


def test_an_event_without_consent_is_not_stored(client: TestClient) -> None:
    def send(item: str, consent: list[str] | None) -> tuple[int, int]:
        event = {"user_id": "ann", "item_id": item, "event": "view", "consent": consent}
        reply = client.post("/events", json={"events": [event]})
        assert reply.status_code == 200, reply.text
        return reply.json()["accepted"], reply.json()["new"]

    assert send("sku-1", None) == (1, 1)  # privacy.default_consent: all purposes
    assert send("sku-2", []) == (1, 0)
    assert send("sku-3", ["measure", "advertise"]) == (1, 0)
    assert send("sku-4", ["recommend"]) == (1, 1)
    history = client.post("/profile", json={"user_id": "ann"}).json()["history"]
    assert [event["item_id"] for event in history] == ["sku-1", "sku-4"]
    refused = client.post(
        "/events", json={"events": [{"user_id": "a", "item_id": "sku-1", "event": "view", "consent": ["sell"]}]}
    )
    assert refused.status_code == 422


def test_the_shops_default_decides_where_an_event_states_nothing(watcher: ModelWatcher, params: Params) -> None:
    strict = params.model_copy(update={"privacy": params.privacy.model_copy(update={"default_consent": []})})
    with serving_client(watcher, strict) as client:
        events = [{"user_id": "ann", "item_id": item, "event": "view"} for item in ("sku-1", "sku-2")]
        events[1]["consent"] = ["recommend"]  # type: ignore[assignment]
        assert client.post("/events", json={"events": events}).json()["new"] == 1
        history = client.post("/profile", json={"user_id": "ann"}).json()["history"]
        assert [event["item_id"] for event in history] == ["sku-2"]
