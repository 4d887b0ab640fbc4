"""Traffic of the last hour: differences of counters, and quantiles from buckets, computed by hand."""

import pytest

from components.serving.http.traffic import TrafficSampler, quantile_ms
from components.serving.metrics import ServiceMetrics


def test_a_quantile_is_linear_within_its_bucket() -> None:
    buckets = {0.01: 50.0, 0.1: 90.0, 1.0: 100.0, float("inf"): 100.0}
    assert quantile_ms(buckets, 0.5) == pytest.approx(10)
    assert quantile_ms(buckets, 0.7) == pytest.approx(10 + 90 * 20 / 40)
    assert quantile_ms(buckets, 0.99) == pytest.approx(100 + 900 * 9 / 10)
    assert quantile_ms({0.01: 0.0, float("inf"): 4.0}, 0.5) == pytest.approx(10)  # beyond the last finite bound
    assert quantile_ms({0.01: 0.0, float("inf"): 0.0}, 0.5) is None
    assert quantile_ms({}, 0.5) is None


def test_intervals_are_differences_of_the_shops_routes() -> None:
    metrics, now = ServiceMetrics(), [0]
    metrics.record_request("/recommend", 200, 0.004)  # before the start: not counted
    sampler = TrafficSampler(metrics, lambda: now[0])
    assert sampler.read().total is None
    sampler.take()
    for status in (200, 200, 422, 503):
        metrics.record_request("/recommend", status, 0.004)
    metrics.record_request("/page/traffic", 200, 9)  # of the page itself
    metrics.record_fallback("no history")
    now[0] = 30_000_000
    sampler.take()
    metrics.record_request("/search", 200, 0.004)
    now[0] = 40_000_000
    found = sampler.read()
    counts = [(i.seconds, i.requests, i.errors, i.refused, i.fallbacks) for i in found.intervals]
    assert counts == [(30, 4, 1, 1, 1), (10, 1, 0, 0, 0)]
    assert found.total is not None
    assert (found.total.requests, found.routes, found.reasons) == (
        5,
        {"/recommend": 4, "/search": 1},
        {"no history": 1},
    )
    assert found.intervals[0].p50_ms == pytest.approx(2.5 + 2.5 / 2)  # all in the bucket from 2.5 to 5 ms
    assert len(sampler.samples) == 2  # reading adds none


def test_counters_that_fell_begin_a_new_series() -> None:
    sampler = TrafficSampler(ServiceMetrics(), lambda: 0)
    sampler.metrics.record_request("/recommend", 200, 0.004)
    sampler.take()
    sampler.metrics = ServiceMetrics()
    sampler.take()
    assert len(sampler.samples) == 1
