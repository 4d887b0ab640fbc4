"""What invalid requests are told: the field, and what was expected there."""

import json

import pytest
from fastapi.testclient import TestClient

EVENT = {"user_id": "ann", "item_id": "sku-1", "event": "view"}


@pytest.mark.parametrize(
    ("path", "body", "where", "what"),
    [
        ("/recommend", {"histroy": []}, "body.(unknown field)",
         "unknown field; expected user_id, history, k, exclude, filters, context, diversity, quotas, explain"),
        ("/recommend", {"history": [{"item_id": "a", "sku": "b"}]}, "body.history.0.(unknown field)",
         "unknown field; expected item_id, event, timestamp"),
        ("/recommend", {"context": {"page": "home"}}, "body.context.(unknown field)",
         "unknown field; expected item_id, session_id"),
        ("/events", {"events": [EVENT, {**EVENT, "qty": 1}]}, "body.events.1.(unknown field)",
         "unknown field; expected user_id, item_id, event, timestamp, quantity, price, session_id, position, "
         "request_id, consent"),
        ("/events", {"events": [{"user_id": "ann", "item_id": "sku-1"}]}, "body.events.0.event",
         "expected this field, which is missing"),
        ("/events", {"events": []}, "body.events", "expected at least 1 item after validation, not 0"),
        ("/events", {"events": [{**EVENT, "event": "buy"}]}, "body.events.0.event",
         "expected 'view', 'cart', 'purchase', 'return', 'impression' or 'click'"),
        ("/events", {"events": [{**EVENT, "price": -1}]}, "body.events.0.price", "expected greater than or equal to 0"),
        ("/events", {"events": {}}, "body.events", "expected a list"),
        ("/events", {"events": [{**EVENT, "consent": True}]}, "body.events.0.consent",
         'expected a list of recommend, advertise, measure, such as ["recommend"], or [] for none, or null'),
        ("/events", [EVENT], "body", "expected an object"),
        ("/recommend", {"user_id": 7}, "body.user_id", "expected a string"),
        ("/recommend", {"k": "10"}, "body.k", "expected a whole number"),
        ("/recommend", {"k": 0}, "body.k", "expected greater than or equal to 1"),
        ("/search", {"query": "x" * 201}, "body.query", "expected at most 200 characters"),
        ("/similar?k=ten&item_id=sku-1", None, "query.k",
         "expected a valid integer, unable to parse string as an integer"),
    ],
    ids=str,
)  # fmt: skip
def test_a_problem_says_what_was_expected(client: TestClient, path: str, body: object, where: str, what: str) -> None:
    reply = client.get(path) if body is None else client.post(path, json=body)
    assert (reply.status_code, reply.json()["errors"]) == (422, [{"where": where, "what": what}])


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        (b'{"user_id": "secret",}', "expected JSON; at character "),
        (b"{", "expected JSON; at character "),
        (b"", "expected a JSON body, which is missing"),
    ],
)
def test_a_damaged_body_is_told_where(client: TestClient, sent: bytes, what: str) -> None:
    reply = client.post("/recommend", content=sent, headers={"content-type": "application/json"})
    (error,) = reply.json()["errors"]
    assert error["where"] == "body"
    assert error["what"].startswith(what)
    assert "secret" not in json.dumps(reply.json())
