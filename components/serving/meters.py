"""What Prometheus reads at /metrics. Labels hold routes, statuses and reasons, never a user or a product."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds


class Meters:
    """One set of meters for one app."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        self.requests = Counter("carousel_requests", "Requests answered", ["route", "status"], registry=own)
        self.seconds = Histogram("carousel_request_seconds", "Time to answer", ["route"], buckets=BUCKETS, registry=own)
        self.fallbacks = Counter("carousel_fallbacks", "Lists by the fallback, and why", ["reason"], registry=own)
        self.running = Gauge("carousel_running", "Requests that wait for or hold a scoring thread", registry=own)
        self.version = Gauge("carousel_champion_version", "Version that serves; 0: none", registry=own)
        self.changes = Counter("carousel_champion_changes", "Bundles that began to serve", registry=own)
        self.follow_errors = Counter(
            "carousel_follow_errors", "Polls that failed; the last good one serves", registry=own
        )
        self.registry_reached = Gauge("carousel_registry_reached_seconds", "Unix time of the last answer", registry=own)
