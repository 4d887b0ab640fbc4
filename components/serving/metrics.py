"""The metrics at /metrics, for Prometheus. Labels hold routes, statuses and reasons, never a user or a product."""

import os
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
FALLBACKS = frozenset(  # reasons that are labels as they are: every other text could hold what a user typed
    {
        "no history",
        "no history that the model knows",
        "the model failed",
        "the event store is unavailable",
        "nothing was bought with it yet",
        "nothing matches; popular products",
        "no product has these words; products that read like them",
    }
)
CORRECTED = "read as "  # begins the reason of a search whose words were corrected; the words follow
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class ServiceMetrics:
    """The metrics of one app."""

    def __init__(self) -> None:
        """Where PROMETHEUS_MULTIPROC_DIR is set, the metrics of all processes of the service are aggregated."""
        own = self.registry = CollectorRegistry()
        self._routes: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        add: dict[str, Any] = {"registry": own, "multiprocess_mode": "livesum"}  # the sum over processes
        low: dict[str, Any] = {"registry": own, "multiprocess_mode": "livemin"}  # the lowest of the processes
        self.requests = Counter("carousel_requests", "Requests answered", ["route", "status"], registry=own)
        self.seconds = Histogram("carousel_request_seconds", "Time to answer", ["route"], buckets=BUCKETS, registry=own)
        self.fallbacks = Counter("carousel_fallbacks", "Lists made by a fallback, by reason", ["reason"], registry=own)
        self.worker_requests = Gauge(
            "carousel_worker_requests", "Requests that wait for or hold a worker thread", **add
        )
        self.champion_version = Gauge("carousel_champion_version", "Version that serves; 0: none", **low)
        self.champion_changes = Counter("carousel_champion_changes", "Swaps of the model that serves", registry=own)
        self.model_poll_errors = Counter(
            "carousel_model_poll_errors", "Polls for a new model that failed; the last good one serves", registry=own
        )
        self.reload_seconds = Gauge("carousel_reload_seconds", "Time that the last swap of the model took", **low)
        self.events = Counter("carousel_events", "Events stored, by kind", ["event"], registry=own)
        self.exposures = Counter("carousel_exposures", "Products shown and logged", registry=own)
        self.exposures_dropped = Counter(
            "carousel_exposures_dropped", "Products shown and not logged: the queue was full", registry=own
        )
        self.requests_shed = Counter(
            "carousel_requests_shed", "Requests refused because the queue was full", registry=own
        )
        self.shadow_overlap = Histogram(
            "carousel_shadow_overlap", "Share of a list that the challenger lists too", buckets=SHARES, registry=own
        )
        self.canary_share = Gauge("carousel_canary_share", "Share of users whom the challenger answers", **low)
        self.canary_stops = Counter("carousel_canary_stops", "Canaries stopped, by reason", ["reason"], registry=own)
        self.merchandising_rules = Gauge("carousel_merchandising_rules", "Merchandising rules that apply now", **low)
        self.registry_last_success = Gauge(
            "carousel_registry_last_success_timestamp_seconds", "Unix time of the registry's last answer", **low
        )

    def record_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request; its labelled counters are cached: looking up labels takes microseconds."""
        labelled = self._routes.get((route, status))
        if labelled is None:
            labelled = self._routes[route, status] = (
                self.requests.labels(route, str(status)),
                self.seconds.labels(route),
            )
        labelled[0].inc()
        labelled[1].observe(seconds)

    def record_fallback(self, reason: str) -> None:
        """Count a list that a fallback made, or a corrected query, under one of a fixed set of labels."""
        label = "query corrected" if reason.startswith(CORRECTED) else reason if reason in FALLBACKS else "other"
        self.fallbacks.labels(label).inc()

    def render(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self.aggregate())

    def aggregate(self) -> CollectorRegistry:
        """Return the metrics of all processes of the service."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        _remove_dead_processes(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
        aggregated = CollectorRegistry()
        MultiProcessCollector(aggregated)  # type: ignore[no-untyped-call]
        return aggregated


def _remove_dead_processes(folder: Path) -> None:
    """Remove the gauges of processes that were killed; their counters stay."""
    for pid in {int(file.stem.rsplit("_", 1)[1]) for file in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
