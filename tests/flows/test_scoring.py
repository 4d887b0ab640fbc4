"""Every run scores what has served: a note, a table on the run page, and an event where the champion falls short."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.release.history import DayOutcome, History
from components.release.ledger import Ledger
from flows.workspace import open_workspace

METRIC = "ndcg_at_10"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the events of a shortfall that the flow emits, without sending them."""
    import flows.events as module

    events: list[dict[str, Any]] = []

    def keep(**event: Any) -> None:
        if event["event"] == "carousel.shortfall":
            events.append(event)

    monkeypatch.setattr(module, "emit_event", keep)
    return events


def monitor_as_of(day: int, *overrides: str) -> Any:
    from flows.monitor import monitor

    return monitor.fn(as_of=datetime(2026, 3, day, tzinfo=UTC), overrides=list(overrides))


def shop() -> Path:
    return open_workspace([], [], None).shop


def row(digest: str, window: str, day: str, mean: float) -> DayOutcome:
    fields: dict[str, Any] = {"window": window, "number": 1, "version": 1, "digest": digest, "day": day}
    fields |= {"start": f"{day}T00:00:00+00:00", "until": f"{day[:-1]}{int(day[-1]) + 1}T00:00:00+00:00"}
    fields |= {"model": "champion", "metric": METRIC, "n_users": 1000, "mean": mean, "error": 0.001}
    return DayOutcome.model_validate(fields)


def test_monitoring_scores_the_day_since_the_promotion(promoted: Path) -> None:
    """The champion serves from 2026-03-01; on that day one user buys three products."""
    monitor_as_of(2)
    live = [o for o in History(shop()).outcomes() if o.window == "live"]
    assert [(o.model, o.version, o.day, o.n_users) for o in live] == [
        ("champion", 1, "2026-03-01", 1), ("popularity", 1, "2026-03-01", 1),
    ]  # fmt: skip
    expected = [o for o in History(shop()).outcomes() if o.window == "expected" and o.n_users]
    assert {o.day for o in expected} == {"2026-02-01", "2026-02-25"}


def test_a_champion_that_falls_short_sends_the_event_once_a_day(
    promoted: Path, server: None, sent: list[dict[str, Any]]
) -> None:
    from flows.monitor import monitor
    from flows.scoring import EVENT

    digest = Ledger(shop()).deployments()[0].digest
    rows = [row(digest, "expected", f"2026-02-2{n}", 0.5) for n in range(1, 6)]
    History(shop()).add([*rows, row(digest, "live", "2026-03-01", 0.5), row(digest, "live", "2026-03-02", 0.1)])
    for _ in range(2):
        monitor(as_of=datetime(2026, 3, 4, tzinfo=UTC), overrides=["history.alarm_days=2"])
    assert [event["event"] for event in sent] == [EVENT]
    assert sent[0]["resource"]["prefect.resource.id"] == "carousel.shop.carousel"
    assert sent[0]["payload"]["as_of"] == "2026-03-04T00:00:00+00:00"
    assert sent[0]["payload"]["reasons"][0].startswith("version 1, 2 days to 2026-03-04: ndcg_at_10 is 0.1000")

    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        assert "history" in {artifact.key for artifact in client.read_artifacts()}


def test_what_cannot_be_scored_is_a_note_and_ends_no_run(promoted: Path) -> None:
    from flows.scoring import record_outcomes

    (shop() / "ledger.db").write_bytes(b"no database" * 100)
    (note,) = record_outcomes(open_workspace([], [], datetime(2026, 3, 2, tzinfo=UTC)))
    assert note.startswith("what serves was not scored on later events: ledger.db: ")


def test_an_alarm_is_a_note_of_the_run(promoted: Path) -> None:
    from flows.scoring import record_outcomes

    digest = Ledger(shop()).deployments()[0].digest
    rows = [row(digest, "expected", f"2026-02-2{n}", 0.5) for n in range(1, 6)]
    History(shop()).add([*rows, row(digest, "live", "2026-03-01", 0.5), row(digest, "live", "2026-03-02", 0.1)])
    workspace = open_workspace([], ["history.alarm_days=2"], datetime(2026, 3, 4, tzinfo=UTC))
    (note,) = record_outcomes(workspace)
    assert note.startswith("the champion falls short: version 1, 2 days to 2026-03-04")
