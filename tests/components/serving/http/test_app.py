"""The app: routes, probes, overload, the listener's errors, the page and the schema."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from components.errors import ParamsError
from components.params import Params
from components.serving.http.app import _listening
from components.serving.inference import scorer as scoring
from components.serving.metrics import ServiceMetrics
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.support import FakeRegistry, serving_client


def test_recommend(client: TestClient) -> None:
    history = [{"item_id": "sku-1", "event": "view"}, {"item_id": "sku-3", "event": "purchase"}]
    reply = client.post("/recommend", json={"user_id": "ann", "history": history, "k": 3})
    assert reply.status_code == 200
    body = reply.json()
    assert (body["version"], body["model"], body["reason"], len(body["items"])) == (1, "ease", None, 3)
    assert {"item_id", "title", "score"} <= set(body["items"][0])
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
    assert ready.json()["version"] == 1  # promotion waits for this value
    assert ready.json()["model"] == "ease"


def test_not_ready_before_the_first_champion(registry: FakeRegistry, params: Params, tmp_path: Path) -> None:
    registry.champion = None
    watcher = ModelWatcher(registry, tmp_path / "serving", params.serving.poll_s, ServiceMetrics())
    with serving_client(watcher, params) as client:
        assert client.get("/livez").status_code == 200
        for reply in (client.get("/readyz"), client.post("/recommend", json={})):
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
        swapped = threading.Event()
        watcher.on_swap = swapped.set
        registry.champion = 1
        assert swapped.wait(60)
        assert client.get("/readyz").status_code == 200


def test_requests_beyond_the_queue_are_refused_until_it_drains(
    watcher: ModelWatcher, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, may_score = scoring.score_users, threading.Event()

    def wait_and_score(*args: object) -> object:
        assert may_score.wait(60)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "score_users", wait_and_score)
    with serving_client(watcher, params, threads=1, max_queue=3) as client:

        def ask(n: int) -> Response:
            return client.post("/recommend", json={"history": [{"item_id": f"sku-{n}"}]})

        with ThreadPoolExecutor(12) as pool:
            pending = [pool.submit(ask, n) for n in range(1, 13)]
            done = as_completed(pending, timeout=60)
            refused = [next(done).result() for _ in range(9)]
            may_score.set()
            answered = [reply.result() for reply in done]
        assert {r.status_code for r in refused} == {503}
        assert {r.headers["retry-after"] for r in refused} == {"1"}
        assert [r.status_code for r in answered] == [200, 200, 200]
        assert client.service.metrics.registry.get_sample_value("carousel_requests_shed_total") == 9  # type: ignore[attr-defined]
        assert client.post("/recommend", json={}).status_code == 200


def test_the_error_for_an_address_in_use_gives_advice() -> None:
    with _listening("127.0.0.1", 0) as taken, pytest.raises(ParamsError, match=r"serving\.port"):
        _listening("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ParamsError, match=r"serving\.host"):
        _listening("203.0.113.7", 0)


def test_openapi_describes_the_routes(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/recommend", "/similar", "/livez", "/readyz"} <= set(paths)
