"""What Prometheus reads at /metrics. Labels hold routes, statuses and reasons, never a user or a product."""

import os
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class ServiceMetrics:
    """One set of meters for one app."""

    def __init__(self) -> None:
        """Where PROMETHEUS_MULTIPROC_DIR is set, the processes of the service add up what they count."""
        own = self.registry = CollectorRegistry()
        self._routes: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        add: dict[str, Any] = {"registry": own, "multiprocess_mode": "livesum"}  # of several processes: the sum
        low: dict[str, Any] = {"registry": own, "multiprocess_mode": "livemin"}  # the lowest
        self.requests = Counter("carousel_requests", "Requests answered", ["route", "status"], registry=own)
        self.seconds = Histogram("carousel_request_seconds", "Time to answer", ["route"], buckets=BUCKETS, registry=own)
        self.fallbacks = Counter("carousel_fallbacks", "Lists by the fallback, and why", ["reason"], registry=own)
        self.running = Gauge("carousel_running", "Requests that wait for or hold a scoring thread", **add)
        self.version = Gauge("carousel_champion_version", "Version that serves; 0: none", **low)
        self.changes = Counter("carousel_champion_changes", "Bundles that began to serve", registry=own)
        self.follow_errors = Counter(
            "carousel_follow_errors", "Polls that failed; the last good one serves", registry=own
        )
        self.reload_seconds = Gauge("carousel_reload_seconds", "Time that the last change of bundle took", **low)
        self.events = Counter("carousel_events", "Events taken, by kind", ["event"], registry=own)
        self.exposures = Counter("carousel_exposures", "Products shown, that were written down", registry=own)
        self.exposures_dropped = Counter(
            "carousel_exposures_dropped", "Products shown, that were not: too many waited", registry=own
        )
        self.shed = Counter("carousel_shed", "Requests sent away because too many waited", registry=own)
        self.shadow_overlap = Histogram(
            "carousel_shadow_overlap", "Share of a list that the challenger lists too", buckets=SHARES, registry=own
        )
        self.canary_share = Gauge("carousel_canary_share", "Share of users whom the challenger answers", **low)
        self.canary_stops = Counter("carousel_canary_stops", "Canaries that were stopped", ["reason"], registry=own)
        self.registry_reached = Gauge("carousel_registry_reached_seconds", "Unix time of the last answer", **low)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request; looking a label up is dear, so it is done once."""
        counted = self._routes.get((route, status))
        if counted is None:
            counted = self._routes[route, status] = (
                self.requests.labels(route, str(status)),
                self.seconds.labels(route),
            )
        counted[0].inc()
        counted[1].observe(seconds)

    def text(self) -> bytes:
        """Return all meters as Prometheus reads them."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        _forget_the_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _forget_the_dead(folder: Path) -> None:
    """Let go of the gauges of processes that ended without a word; what they counted stays."""
    for pid in {int(file.stem.rsplit("_", 1)[1]) for file in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
