"""The routes: what a shop's pages see, and that every wrong request gets a problem that says why."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.errors import ParamsError
from components.params import Params
from components.serving import answers
from components.serving.app import _listening, make_app
from components.serving.champion import Champions
from components.serving.meters import Meters

from .conftest import Shelf


def test_recommend(client: TestClient) -> None:
    history = [{"item_id": "sku-1", "event": "view"}, {"item_id": "sku-3", "event": "purchase"}]
    reply = client.post("/recommend", json={"user_id": "ann", "history": history, "k": 3})
    assert reply.status_code == 200
    body = reply.json()
    assert (body["version"], body["model"], body["reason"], len(body["items"])) == (1, "ease", None, 3)
    assert set(body["items"][0]) == {"item_id", "title", "score"}
    assert body["request_id"] == reply.headers["x-request-id"]
    assert reply.headers["cache-control"] == "no-store"
    assert client.get("/recommend", params={"item_id": ["sku-1", "sku-3"], "k": 3}).json()["model"] == "ease"


def test_a_user_id_alone_gets_the_fallback(client: TestClient) -> None:
    body = client.post("/recommend", json={"user_id": "ann"}).json()
    assert (body["model"], body["reason"], len(body["items"])) == ("popularity", "no history", 10)


def test_similar(client: TestClient) -> None:
    posted = client.post("/similar", json={"item_id": "sku-1", "k": 3}).json()
    got = client.get("/similar", params={"item_id": "sku-1", "k": 3}).json()
    assert posted["items"] == got["items"]
    assert len(got["items"]) == 3


def test_probes(client: TestClient) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["version"] == 1  # what a promotion asks for as proof
    assert ready.json()["model"] == "ease"


def test_metrics_count_and_name_nobody(client: TestClient) -> None:
    client.post("/recommend", json={"user_id": "ann-the-user"})
    client.get("/nothing/ann-the-user")
    text = client.get("/metrics").text
    assert 'carousel_requests_total{route="/recommend",status="200"} 1.0' in text
    assert 'carousel_requests_total{route="other",status="404"} 1.0' in text
    assert 'carousel_fallbacks_total{reason="no history"} 1.0' in text
    assert "carousel_champion_version 1.0" in text
    assert 'carousel_request_seconds_count{route="/recommend"} 1.0' in text
    assert "ann-the-user" not in text


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
        ("GET", "/recommend?item_id=%ED%A0%80", 200),
        ("GET", "/recommend?item_id=%00", 200),
    ],
)
def test_wrong_paths_get_a_problem(client: TestClient, method: str, path: str, status: int) -> None:
    reply = client.request(method, path)
    assert reply.status_code == status
    if status != 200:
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == status


def test_a_problem_says_where_and_never_what_was_sent(client: TestClient) -> None:
    sent = {"history": [GOOD, {"item_id": "sku-1", "event": "secret-word"}], "secret-field": 1}
    problem = client.post("/recommend", json=sent).json()
    assert {e["where"] for e in problem["errors"]} == {"body.history.1.event", "body.(unknown field)"}
    assert "secret" not in json.dumps(problem)


def test_request_id_of_the_caller(client: TestClient) -> None:
    assert client.get("/livez", headers={"x-request-id": "a-1"}).headers["x-request-id"] == "a-1"
    assert client.get("/livez", headers={"x-request-id": "a b\x7f"}).headers["x-request-id"] != "a b\x7f"


def test_chunked_bodies_are_bounded_too(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    headers = {"content-type": "application/json"}
    assert client.post("/recommend", content=chunks(), headers=headers).status_code == 413
    assert client.post("/recommend", content=iter([b'{"k"', b": 3}"]), headers=headers).status_code == 200


def test_a_failure_is_a_problem(client: TestClient, champions: Champions, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError("user ann")

    monkeypatch.setattr(answers, "similar", fail)
    reply = client.get("/similar", params={"item_id": "sku-1"})
    assert (reply.status_code, reply.headers["content-type"]) == (500, "application/problem+json")
    assert "ann" not in reply.text


def test_not_ready_before_the_first_champion(shelf: Shelf, params: Params, tmp_path: Path) -> None:
    shelf.champion = None
    champions = Champions(shelf, tmp_path / "serving", params.serving.poll_s, Meters())
    with TestClient(make_app(champions, params.serving, champions.meters)) as client:
        assert client.get("/livez").status_code == 200
        for reply in (client.get("/readyz"), client.post("/recommend", json={})):
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
        shelf.champion = 1
        deadline = time.monotonic() + 10
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_overload_is_shed_and_recovers(champions: Champions, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    small = params.serving.model_copy(update={"threads": 1, "max_waiting": 2})
    real = answers.recommend

    def slow(*args: object) -> object:
        time.sleep(0.2)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(answers, "recommend", slow)
    with TestClient(make_app(champions, small, champions.meters)) as client:
        with ThreadPoolExecutor(12) as pool:
            replies = list(pool.map(lambda _: client.post("/recommend", json={}), range(12)))
        statuses = [r.status_code for r in replies]
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= 3
        shed = next(r for r in replies if r.status_code == 503)
        assert shed.headers["retry-after"] == "1"
        assert client.post("/recommend", json={}).status_code == 200


def test_an_address_in_use_says_what_to_do() -> None:
    with _listening("127.0.0.1", 0) as taken, pytest.raises(ParamsError, match=r"serving\.port"):
        _listening("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ParamsError, match=r"serving\.host"):
        _listening("203.0.113.7", 0)


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    reply = client.get("/")
    assert reply.headers["content-type"].startswith("text/html")
    assert set(re.findall(r"""(?:src|href)=["']([^"']+)""", reply.text)) == {"openapi.json"}
    assert "innerHTML" not in reply.text  # titles are text, whatever they hold


def test_openapi_describes_the_routes(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/recommend", "/similar", "/livez", "/readyz"} <= set(paths)
    assert client.get("/docs").status_code == 404  # it would load scripts from elsewhere
