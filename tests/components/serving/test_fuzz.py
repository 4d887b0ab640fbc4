"""Generated requests, valid and not, by the OpenAPI schema and by the headers: none is answered with a server error."""

import gzip
import json
import zlib

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.serving.http import attempts
from tests.components.serving.support import TOKEN

EXAMPLES = 15  # of each route
ROUTES = [
    "/events",
    "/recommend",
    "/search",
    "/similar",
    "/profile",
    "/page/compare",
    "/livez",
    "/",
    "/status",
    "/nothing",
]
ENCODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": bytes, "identity": bytes, "gzip, gzip": bytes}
BODY = st.one_of(
    st.binary(max_size=300),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
        max_leaves=8,
    ).map(lambda tree: json.dumps(tree).encode()),
    st.just(b'{"events": [{"user_id": "ann", "item_id": "sku-1", "event": "view"}]}'),
)
HEADER = st.dictionaries(
    st.sampled_from(["Content-Type", "Host", "Origin", "Authorization", "X-Request-ID", "Forwarded", "Content-Length"]),
    st.sampled_from(
        ["text/plain", "null", "Bearer x", "Basic eA==", "127.0.0.1:8000", "https://127.0.0.1", "a@b", "[::1"]
    )
    | st.binary(max_size=40).map(lambda value: value.translate(None, b"\r\n\x00").decode("latin-1")),
    max_size=4,
)
HEADERS = {"host": "127.0.0.1", "authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hundreds of wrong tokens wait a millisecond each; http/test_attempts.py tests the second that they wait."""
    for name in ("CLIENT_INTERVAL_S", "OVERALL_INTERVAL_S"):
        monkeypatch.setattr(attempts, name, 0.001)


def send_examples(client: TestClient, operation: schemathesis.schemas.APIOperation) -> set[int]:
    """Send what the schema allows to one route; return the statuses. One of 500 and above, or unknown, fails."""
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
        assert str(reply.status_code) in operation.definition.raw["responses"], (case.path, reply.text)

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


def test_no_combination_of_headers_and_body_gets_a_server_error(client: TestClient) -> None:
    seen = set[int]()

    @settings(max_examples=40 * EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "X"]),
        st.sampled_from(ROUTES),
        BODY,
        HEADER,
        st.sampled_from([None, *ENCODINGS]),
        st.booleans(),
    )
    def ask(method: str, path: str, body: bytes, sent: dict, encoding: str | None, is_damaged: bool) -> None:
        headers = {name: value.encode("latin-1") for name, value in sent.items()}
        if encoding is not None:
            headers["Content-Encoding"] = encoding.encode()
            body = body[: len(body) // 2] if is_damaged else ENCODINGS[encoding](body)
        reply = client.request(method, path, content=body, headers=headers)
        seen.add(reply.status_code)
        assert reply.status_code < 500, (path, reply.text)
        assert reply.status_code < 400 or method == "HEAD" or reply.json()["status"] == reply.status_code

    ask()
    assert {200, 400, 403, 404, 405, 415, 422} <= seen
