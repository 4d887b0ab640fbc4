"""Monitoring: what is wanted, an event for the automation, an exit code, and no training."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.errors import BusyError
from components.release.lock import exclusive_lock
from components.release.unlearning import add_deletion
from flows.tasks import unwrap

LATER = datetime(2026, 3, 10, tzinfo=UTC)  # the toy shop's first champion was decided as of March 1
SHIFTED = ["drift.max_distance=0.01", "refresh.min_users=1"]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return Carousel's events that the flow emits, without sending them."""
    import flows.events as module

    events: list[dict[str, Any]] = []

    def keep(**event: Any) -> None:
        if event["event"] != "carousel.shortfall":
            events.append(event)

    monkeypatch.setattr(module, "emit_event", keep)
    return events


def look(**parameters: Any) -> Any:
    from flows.monitor import monitor

    return monitor(**parameters)


def test_drift_asks_for_a_refresh_first_and_then_for_a_retrain_once(
    promoted: Path, server: None, sent: list[dict[str, Any]]
) -> None:
    """The toy champion learned from old events only; its refresh is not run here."""
    from flows.monitor import EVENTS, monitor

    states = [monitor(as_of=LATER, overrides=SHIFTED, return_state=True) for _ in range(3)]
    assert [state.name for state in states] == ["RefreshWanted", "RetrainWanted", "Completed"]
    assert [e["event"] for e in sent] == [EVENTS["refresh"], EVENTS["retrain"]]
    assert sent[1]["payload"]["as_of"] == "2026-03-10T00:00:00+00:00"
    assert sent[1]["payload"]["reasons"][0] == "drift since the check of 2026-03-10 00:00: taste moved"
    assert sent[1]["resource"]["prefect.resource.id"] == "carousel.shop.carousel"
    assert unwrap(states[0])["drift"]["drifted"] is True
    assert "less than monitor.min_retrain_days (3) ago" in unwrap(states[2])["reasons"][1]
    assert (promoted / ".carousel/shops/carousel/drift.json").is_file()
    advice = json.loads((promoted / ".carousel/shops/carousel/monitor.json").read_text())
    assert (advice["action"], advice["drift_columns"]) == ("nothing", {"price": 0.05})


def test_an_up_to_date_champion_without_drift_needs_nothing(
    promoted: Path, server: None, sent: list[dict[str, Any]]
) -> None:
    bundle = (promoted / "bundle/manifest.json").read_bytes()
    report = unwrap(look(overrides=["monitor.max_model_age_days=100000"]))
    assert (report["action"], report["reasons"]) == ("nothing", ["no drift, and the champion is up to date"])
    assert not sent
    assert (promoted / "bundle/manifest.json").read_bytes() == bundle


def test_broken_data_are_an_alarm_and_no_run_is_asked_for(
    promoted: Path, server: None, sent: list[dict[str, Any]]
) -> None:
    from flows.monitor import EVENTS, monitor

    state = monitor(overrides=[*SHIFTED, "data_checks.max_volume_factor=1.5"], return_state=True)
    assert (state.name, state.message) == ("Alarm", "18 events, expected 9")
    assert [e["event"] for e in sent] == [EVENTS["alarm"]]
    assert [check["name"] for check in unwrap(state)["failed"]] == ["data: volume"]


def test_users_who_should_have_been_unlearned_by_now_are_an_alarm(
    promoted: Path, server: None, sent: list[dict[str, Any]]
) -> None:
    from flows.monitor import monitor

    add_deletion(promoted / ".carousel/shops/carousel", ["t1", "t2"], datetime.now(UTC) - timedelta(hours=1), 1e-6)
    state = monitor(overrides=["monitor.max_model_age_days=100000"], return_state=True)
    assert state.name == "Completed"  # the champion was registered later
    add_deletion(promoted / ".carousel/shops/carousel", ["t3"], datetime.now(UTC), 1e-6)
    state = monitor(overrides=["monitor.max_model_age_days=100000"], return_state=True)
    assert state.name == "Alarm"
    assert state.message.startswith("1 forgotten user waits to be unlearned by a refresh until")
    assert "OVERDUE" in state.message


@pytest.mark.parametrize(
    ("sets", "code", "action"),
    [
        (["monitor.max_model_age_days=100000"], 0, "nothing"),
        (["data_checks.max_volume_factor=1.5"], 2, "alarm"),
        (["refresh.min_users=1"], 4, "refresh"),
        (["monitor.max_model_age_days=100000", *SHIFTED], 5, "retrain"),
    ],
)
def test_exit_codes_and_status(
    promoted: Path, unrecorded: None, capsys: pytest.CaptureFixture[str], sets: list[str], code: int, action: str
) -> None:
    from flows.cli import run

    arguments = [argument for line in sets for argument in ("--set", line)]
    assert run(["monitor", "--json", "--as-of", "2026-03-10", *arguments]) == code
    assert json.loads(capsys.readouterr().out)["action"] == action
    assert run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["monitor"]["action"] == action


def test_monitor_is_refused_while_a_retrain_runs(promoted: Path) -> None:
    from flows.monitor import monitor

    with (
        exclusive_lock(promoted / ".carousel/retrain.lock", "a retrain"),
        pytest.raises(BusyError, match="a retrain runs since"),
    ):
        monitor.fn()
