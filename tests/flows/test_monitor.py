"""Monitoring: a verdict, an event for the automation, and no training."""

from pathlib import Path
from typing import Any

import pytest

from components.errors import BusyError
from components.release.lock import exclusive_lock
from flows.tasks import unwrap

SHIFTED = ["drift.max_distance=0.01"]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return Carousel's events that the flow emits, without sending them."""
    import flows.monitor as module

    events: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "emit_event", lambda **event: events.append(event))
    return events


def look(**parameters: Any) -> Any:
    from flows.monitor import monitor

    return monitor(**parameters)


def test_drift_sends_the_event_that_starts_a_retraining(
    promoted: Path, server: None, sent: list[dict[str, Any]]
) -> None:
    from flows.monitor import EVENT, monitor

    state = monitor(overrides=SHIFTED, return_state=True)
    assert state.name == "Drifted"
    assert unwrap(state)["drifted"] is True
    assert [e["event"] for e in sent] == [EVENT]
    assert sent[0]["payload"]["as_of"] == "2026-03-01T00:00:00+00:00"
    assert sent[0]["resource"]["prefect.resource.id"] == "carousel.shop.carousel"
    assert (promoted / ".carousel/shops/carousel/drift.json").is_file()


def test_no_drift_sends_nothing_and_trains_nothing(promoted: Path, server: None, sent: list[dict[str, Any]]) -> None:
    bundle = (promoted / "bundle/manifest.json").read_bytes()
    verdict = unwrap(look())
    assert verdict["drifted"] is False
    assert not sent
    assert (promoted / "bundle/manifest.json").read_bytes() == bundle


def test_monitor_is_refused_while_a_retrain_runs(promoted: Path) -> None:
    from flows.monitor import monitor

    with (
        exclusive_lock(promoted / ".carousel/retrain.lock", "a retrain"),
        pytest.raises(BusyError, match="a retrain runs since"),
    ):
        monitor.fn()
