"""Metrics: they count, contain no user, and are aggregated over processes."""

import os
import subprocess
import sys
from pathlib import Path

from fastapi.testclient import TestClient

from components.serving.metrics import ServiceMetrics
from tests.components.serving.support import ROOT

WORKER = """
import os, signal, sys
from components.serving.metrics import ServiceMetrics
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
