"""What the service answered in the last hour, for the page: requests, latency, fallbacks and errors by half minute.

The numbers are differences of the counters at /metrics, of all processes. Quantiles are read from the buckets of the
histogram, as Prometheus's histogram_quantile does: linear within a bucket.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from pydantic import BaseModel, Field

from components.serving.metrics import BUCKETS, ServiceMetrics
from components.times import SECOND_US, now_micros, to_datetime

SAMPLE_S, N_SAMPLES = 30.0, 121  # an hour of differences
SHOP_ROUTES = frozenset({"/recommend", "/search", "/similar", "/bundle", "/explain", "/rank", "/events"})


@dataclass(frozen=True)
class TrafficSample:
    """The counters at one moment."""

    at: int  # us
    requests: Counter[str] = field(default_factory=Counter)  # by route
    errors: float = 0  # answers with a status of 500 and above
    refused: float = 0  # answers with a status of 400 to 499
    fallbacks: Counter[str] = field(default_factory=Counter)  # by reason
    buckets: Mapping[float, float] = field(default_factory=dict)  # upper bound in seconds -> requests up to it


class TrafficInterval(BaseModel):
    """What happened between two samples."""

    start: datetime
    seconds: float
    requests: int
    errors: int
    refused: int
    fallbacks: int
    p50_ms: float | None = Field(description="null without requests")
    p99_ms: float | None


class RecentTraffic(BaseModel):
    """The last hour, or the time since the start."""

    intervals: list[TrafficInterval] = Field(description="oldest first")
    total: TrafficInterval | None = Field(description="all of them together; null before the second sample")
    routes: dict[str, int] = Field(description="requests by route")
    reasons: dict[str, int] = Field(description="fallbacks by reason")


class TrafficSampler:
    """A thread that reads the counters every SAMPLE_S."""

    def __init__(self, metrics: ServiceMetrics, now: Callable[[], int] = now_micros) -> None:
        """now: returns us."""
        self.metrics, self.now = metrics, now
        self.samples: deque[TrafficSample] = deque(maxlen=N_SAMPLES)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take the first sample, and start the thread."""
        self.take()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def take(self) -> None:
        """Add a sample; counters that fell, because a process was replaced, begin a new series."""
        sample = read_sample(self.metrics, self.now())
        if self.samples and sample.requests.total() < self.samples[-1].requests.total():
            self.samples.clear()
        self.samples.append(sample)

    def read(self) -> RecentTraffic:
        """Return the last hour up to now."""
        samples = [*self.samples]
        newest = read_sample(self.metrics, self.now())
        if samples and newest.at > samples[-1].at and newest.requests.total() >= samples[-1].requests.total():
            samples.append(newest)
        if len(samples) < 2:
            return RecentTraffic(intervals=[], total=None, routes={}, reasons={})
        first, last = samples[0], samples[-1]
        return RecentTraffic(
            intervals=[_difference(one, other) for one, other in pairwise(samples)],
            total=_difference(first, last),
            routes={route: int(n) for route, n in (last.requests - first.requests).most_common()},
            reasons={reason: int(n) for reason, n in (last.fallbacks - first.fallbacks).most_common()},
        )

    def _run(self) -> None:
        while not self._stopping.wait(SAMPLE_S):
            self.take()


def read_sample(metrics: ServiceMetrics, at: int) -> TrafficSample:
    """Return the counters of the shop's routes now."""
    requests, fallbacks, buckets = Counter[str](), Counter[str](), Counter[float]()
    errors = refused = 0.0
    for family in metrics.aggregate().collect():
        for sample in family.samples:
            labels = sample.labels
            if sample.name == "carousel_fallbacks_total":
                fallbacks[labels["reason"]] += int(sample.value)
            elif labels.get("route") not in SHOP_ROUTES:
                continue
            elif sample.name == "carousel_requests_total":
                requests[labels["route"]] += int(sample.value)
                errors += sample.value if labels["status"] >= "500" else 0
                refused += sample.value if "400" <= labels["status"] < "500" else 0
            elif sample.name == "carousel_request_seconds_bucket":
                buckets[float(labels["le"])] += int(sample.value)
    return TrafficSample(at, requests, errors, refused, fallbacks, buckets)


def quantile_ms(buckets: Mapping[float, float], share: float) -> float | None:
    """Return a quantile in milliseconds; None without requests. buckets: upper bound (s) -> requests up to it.

    Beyond the last finite bound, that bound is returned.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0
    if not total:
        return None
    rank, lower, below = share * total, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if bound > BUCKETS[-1]:
                return 1000 * lower
            inside = buckets[bound] - below
            return 1000 * (lower + (bound - lower) * ((rank - below) / inside if inside else 1))
        lower, below = bound, buckets[bound]
    return 1000 * lower


def _difference(one: TrafficSample, other: TrafficSample) -> TrafficInterval:
    buckets = {bound: n - one.buckets.get(bound, 0) for bound, n in other.buckets.items()}
    return TrafficInterval(
        start=to_datetime(one.at),
        seconds=(other.at - one.at) / SECOND_US,
        requests=int(other.requests.total() - one.requests.total()),
        errors=int(other.errors - one.errors),
        refused=int(other.refused - one.refused),
        fallbacks=int(other.fallbacks.total() - one.fallbacks.total()),
        p50_ms=quantile_ms(buckets, 0.5),
        p99_ms=quantile_ms(buckets, 0.99),
    )
