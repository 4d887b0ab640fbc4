"""Reading: open on loopback, personal routes closed beyond it, all but the probes behind the token where one is set."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.http.access import ReadAccess
from components.serving.http.admin import Admin
from components.serving.http.app import make_app, make_service
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.support import TOKEN, serving_client

READ = "read-t0ken"
PERSONAL = [
    ("GET", "/"),
    ("GET", "/page/users"),
    ("GET", "/page/samples"),
    ("GET", "/page/traffic"),
    ("GET", "/docs"),
    ("GET", "/docs/docs.js"),
    ("POST", "/page/compare"),
    ("GET", "/status"),
    ("POST", "/profile"),
]
OTHERS = [("POST", "/recommend"), ("GET", "/recommend"), ("POST", "/experiment"), ("GET", "/openapi.json")]


def ask(client: TestClient, method: str, path: str, **headers: str) -> int:
    body = {"json": {"user_id": "ann"}} if method == "POST" else {}
    return client.request(method, path, headers=headers, **body).status_code  # type: ignore[arg-type]


@contextmanager
def guarded(watcher: ModelWatcher, params: Params, token: str | None, host: str) -> Iterator[TestClient]:
    params = params.model_copy(update={"serving": params.serving.model_copy(update={"host": host})})
    service = make_service(watcher, params)
    app = make_app(service, Admin(service, TOKEN, watcher.folder.parent / "audit.jsonl"), dict, token)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7"])
def test_personal_routes_are_closed_beyond_loopback(watcher: ModelWatcher, params: Params, host: str) -> None:
    with serving_client(watcher, params, host=host) as client:
        assert {ask(client, *route) for route in PERSONAL} == {403}
        assert {ask(client, *route) for route in OTHERS} == {200}
        assert "CAROUSEL_READ_TOKEN" in client.get("/").json()["detail"]
        assert client.head("/").status_code == 403


@pytest.mark.parametrize("header", ["x-forwarded-for", "Forwarded", "X-Real-IP"])
def test_personal_routes_are_closed_to_what_a_proxy_passes_on(client: TestClient, header: str) -> None:
    assert {ask(client, *route) for route in PERSONAL} == {200}
    assert {ask(client, *route, **{header: "203.0.113.9"}) for route in PERSONAL} == {403}
    assert {ask(client, *route, **{header: "203.0.113.9"}) for route in OTHERS} == {200}


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_with_a_token_all_routes_but_the_probes_need_it(watcher: ModelWatcher, params: Params, host: str) -> None:
    basic = base64.b64encode(f"anybody:{READ}".encode()).decode()
    with guarded(watcher, params, READ, host) as client:
        for route in [*PERSONAL, *OTHERS, ("POST", "/events"), ("GET", "/nothing")]:
            assert ask(client, *route) == 401
            for wrong in (
                f"Bearer {TOKEN}",
                f"Bearer {READ}x",
                READ,
                "Bearer",
                "Basic ???",
                "Basic " + READ,
                "Bearer",
            ):
                assert ask(client, *route, authorization=wrong) == 401, wrong
        for route in [*PERSONAL, *OTHERS]:
            for right in (f"Bearer {READ}", f"bearer  {READ}", f"Basic {basic}"):
                assert ask(client, *route, authorization=right) == 200, (route, right)
        assert {ask(client, "GET", path) for path in ("/livez", "/readyz", "/metrics")} == {200}
        for page in ("/", "/docs"):
            assert client.get(page).headers["www-authenticate"].startswith("Basic")  # a browser asks for it
        assert client.get("/recommend").headers["www-authenticate"] == "Bearer"
        assert client.post("/admin/reload", headers={"authorization": f"Bearer {READ}"}).status_code == 401
        assert client.post("/admin/reload", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("token", [None, ""])
def test_what_is_closed_is_logged(caplog: pytest.LogCaptureFixture, token: str | None) -> None:
    ReadAccess(token, "127.0.0.1").warn(page=True)
    ReadAccess(READ, "0.0.0.0").warn(page=True)
    assert caplog.text == ""
    ReadAccess(token, "0.0.0.0").warn(page=True)
    assert "the page, /docs, /status, /profile and /audiences are closed (403)" in caplog.text
