"""Requests generated from the OpenAPI schema, valid and not, for every route: none is answered with a server error."""

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings

from tests.components.serving.support import TOKEN

EXAMPLES = 15  # of each route
HEADERS = {"host": "127.0.0.1", "authorization": f"Bearer {TOKEN}"}


def send_examples(client: TestClient, operation: schemathesis.schemas.APIOperation) -> set[int]:
    """Send what the schema allows to one route; return the statuses. An answer of 500 and above fails."""
    seen = set[int]()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case) -> None:
        arguments = case.as_transport_kwargs(base_url="http://127.0.0.1")
        arguments["headers"] = {**dict(arguments.get("headers") or {}), **HEADERS}
        arguments.pop("cookies", None)
        reply = client.request(**arguments)
        seen.add(reply.status_code)
        assert reply.status_code < 500, (case.path, reply.text)

    ask()
    return seen


def test_no_generated_request_gets_a_server_error(client: TestClient) -> None:
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    answered: dict[str, set[int]] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        answered.setdefault(operation.path, set()).update(send_examples(client, operation))
    assert {"/events", "/recommend", "/search", "/similar", "/bundle", "/explain", "/rank", "/profile"} <= set(answered)
    assert 200 in answered["/events"]
    assert 200 in answered["/recommend"]
    assert client.post("/recommend", json={}).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"k": 1e999}', b'{"k": NaN}', b'"' * 60_000]
)
@pytest.mark.parametrize("path", ["/events", "/recommend", "/search", "/rank"])
def test_bodies_that_are_no_request_get_4xx(client: TestClient, path: str, body: bytes) -> None:
    reply = client.post(path, content=body, headers={"content-type": "application/json"})
    assert 400 <= reply.status_code < 500
    assert reply.headers["content-type"] == "application/problem+json"
