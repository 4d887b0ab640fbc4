"""Metrics: they count, contain no user, and are aggregated over processes."""

import os
import random
import string
import subprocess
import sys
from pathlib import Path

from fastapi.testclient import TestClient

from components.serving.inference.scorer import FAILED, NO_HISTORY
from components.serving.inference.store_reader import STORE_UNAVAILABLE
from components.serving.metrics import FALLBACKS, ServiceMetrics
from tests.components.serving.support import ROOT

WORKER = """
import os, signal, sys
from components.serving.inference.scorer import FAILED, NO_HISTORY
from components.serving.inference.store_reader import STORE_UNAVAILABLE
from components.serving.metrics import FALLBACKS, ServiceMetrics
metrics = ServiceMetrics()
metrics.champion_version.set(int(sys.argv[1]))
metrics.events.labels("view").inc()
if sys.argv[2] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
print(metrics.render().decode())
"""


def test_metrics_count_and_contain_no_user(client: TestClient) -> None:
    client.post("/recommend", json={"user_id": "ann-the-user"})
    client.get("/nothing/ann-the-user")
    text = client.get("/metrics").text
    assert 'carousel_requests_total{route="/recommend",status="200"} 1.0' in text
    assert 'carousel_requests_total{route="other",status="404"} 1.0' in text
    assert 'carousel_fallbacks_total{reason="no history"} 1.0' in text
    assert "carousel_champion_version 1.0" in text
    assert 'carousel_request_seconds_count{route="/recommend"} 1.0' in text
    assert "ann-the-user" not in text


def series(client: TestClient) -> set[str]:
    return {line.rsplit(" ", 1)[0] for line in client.get("/metrics").text.splitlines() if not line.startswith("#")}


def test_what_clients_type_makes_no_series(client: TestClient) -> None:
    """Misspelt and unknown words, routes and methods: after each kind was seen once, the series stay the same."""
    rng = random.Random(1)

    def ask(n: int) -> None:
        word = "".join(rng.choices(string.ascii_lowercase, k=6))
        typo = "thi" + rng.choice(string.ascii_lowercase) + "g"
        for query in (typo, word, f"{typo} {word}"):
            assert client.post("/search", json={"query": query}).status_code == 200
        client.get(f"/{word}/{n}")
        client.request(word.upper(), "/recommend")
        client.post("/search", json={"query": word, word: n})
        client.post("/recommend", json={}, headers={"host": word})

    for n in range(30):
        ask(n)
    series(client)
    before = series(client)
    for n in range(300):
        ask(n)
    assert series(client) == before
    assert any('reason="query corrected"' in one for one in before)
    assert not any('reason="read as' in one for one in before)


def test_an_answer_still_says_how_the_query_was_read(client: TestClient) -> None:
    assert client.post("/search", json={"query": "thimg"}).json()["reason"].startswith("read as ")


def test_reasons_are_counted_under_a_fixed_set_of_labels() -> None:
    metrics = ServiceMetrics()
    assert {FAILED, NO_HISTORY, STORE_UNAVAILABLE} <= FALLBACKS
    for n in range(10_000):
        metrics.record_fallback(f"read as word{n}")
        metrics.record_fallback(f"a reason of tomorrow with word{n}")
    for reason in FALLBACKS:
        metrics.record_fallback(reason)
    labels = {s.labels["reason"] for m in metrics.fallbacks.collect() for s in m.samples}
    assert labels == FALLBACKS | {"query corrected", "other"}


def test_each_app_has_separate_metrics() -> None:
    one, other = ServiceMetrics(), ServiceMetrics()
    one.requests.labels("/livez", "200").inc()
    assert one.registry.get_sample_value("carousel_requests_total", {"route": "/livez", "status": "200"}) == 1
    assert other.registry.get_sample_value("carousel_requests_total", {"route": "/livez", "status": "200"}) is None


def test_gauges_of_a_killed_worker_are_removed(tmp_path: Path) -> None:
    def worker(version: int, end: str) -> str:
        command = [sys.executable, "-c", WORKER, str(version), end]
        environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    worker(1, "die")
    text = worker(2, "live")
    assert "carousel_champion_version 2.0" in text
    assert 'carousel_events_total{event="view"} 2.0' in text  # the counters of the killed one stay
