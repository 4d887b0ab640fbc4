"""What Prometheus reads: it counts, and names nobody."""

from fastapi.testclient import TestClient

from components.serving.meters import Meters


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


def test_each_app_counts_for_itself() -> None:
    one, other = Meters(), Meters()
    one.requests.labels("/livez", "200").inc()
    assert one.registry.get_sample_value("carousel_requests_total", {"route": "/livez", "status": "200"}) == 1
    assert other.registry.get_sample_value("carousel_requests_total", {"route": "/livez", "status": "200"}) is None
