"""A table of what is found and what is asked for, and checks in a row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.contracts import Check, DriftVerdict
from components.monitoring.advice import Advice, Signals, advise, columns_over_limit
from components.monitoring.data_checks import DataChecks
from components.params import MonitorParams

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
PARAMS = MonitorParams(max_model_age_days=2, min_retrain_days=3)
MIN_USERS = 300
CALM = DriftVerdict(
    drifted=False, computable=True, reasons=["0 of 2 columns are over their limit"],
    columns={"taste": 0.05, "hour": 0.01}, thresholds={"taste": 0.1, "hour": 0.1}, n_reference=9, n_current=9,
    reference="champion 3",
)  # fmt: skip
DRIFTED = CALM.model_copy(
    update={"drifted": True, "columns": {"taste": 0.3, "hour": 0.01}, "reasons": ["1 of 2 columns drifted: taste 0.30"]}
)
BROKEN = Check(name="data: volume", passed=False, value=9.0, limit=2.5, why="900 events, expected 100")
FRESH = Signals(
    as_of=NOW, drift=CALM, checks=DataChecks(checks=(), notes=()), champion_end=NOW - timedelta(days=1), n_new_users=900
)
OLD = replace(FRESH, champion_end=NOW - timedelta(days=5))


def ask(signals: Signals, before: Advice | None = None) -> Advice:
    return advise(signals, before, PARAMS, MIN_USERS)


@pytest.mark.parametrize(
    ("signals", "action", "reason"),
    [
        (FRESH, "nothing", "no drift, and the champion is up to date"),
        (OLD, "refresh", "the champion learned from events before 2026-02-24 06:00, 5.0 days ago"),
        (replace(OLD, n_new_users=299), "nothing", "only 299 users have new targets, refresh.min_users is 300"),
        (replace(OLD, last_refresh=NOW - timedelta(hours=11)), "nothing", "monitor.min_refresh_hours (12) ago"),
        (replace(OLD, last_refresh=NOW - timedelta(hours=12)), "refresh", "5.0 days ago"),
        (replace(FRESH, drift=DRIFTED), "retrain", "drift since the check of 2026-03-01 06:00: 1 of 2 columns drifted"),
        (replace(OLD, drift=DRIFTED), "refresh", "a refresh first; the next check asks for the retrain"),
        (replace(FRESH, drift=DRIFTED, last_retrain=NOW - timedelta(days=2.9)), "nothing", "min_retrain_days (3) ago"),
        (replace(FRESH, drift=DRIFTED, last_retrain=NOW - timedelta(days=3)), "retrain", "taste 0.30"),
        (replace(FRESH, record=("below its expectation",)), "retrain", "below its expectation"),
        (replace(FRESH, champion_end=None), "nothing", "carousel retrain --bootstrap"),
        (replace(FRESH, drift=CALM.model_copy(update={"computable": False, "reasons": ["stale"]})), "alarm", "stale"),
        (replace(OLD, drift=DRIFTED, checks=DataChecks(checks=(BROKEN,), notes=())), "alarm", "900 events, expected"),
        (replace(OLD, overdue=["2 users wait"]), "alarm", "2 users wait"),
    ],
)  # fmt: skip
def test_what_is_asked_for(signals: Signals, action: str, reason: str) -> None:
    advice = ask(signals)
    assert advice.action == action
    assert reason in " ".join(advice.reasons)
    asked = {"refresh": advice.refresh_asked, "retrain": advice.retrain_asked}
    assert asked == {name: NOW.isoformat() if name == action else None for name in asked}


def later(signals: Signals, hours: float, **changed: Any) -> Signals:
    return replace(signals, as_of=signals.as_of + timedelta(hours=hours), **changed)


def test_a_wanted_retrain_that_did_not_run_is_asked_for_again_after_the_days_between_retrains() -> None:
    drifted = replace(FRESH, drift=DRIFTED)
    advice = ask(drifted)
    actions = []
    for check in range(1, 14):
        at = later(drifted, 6 * check, champion_end=NOW + timedelta(hours=6 * check))
        advice = ask(at, advice)
        actions.append(advice.action)
    assert actions == ["nothing"] * 11 + ["retrain", "nothing"]
    assert advice.drift_since == NOW.isoformat()


def test_a_drift_that_a_retrain_answered_counts_again_only_when_it_grows() -> None:
    advice = ask(replace(FRESH, drift=DRIFTED))
    week = replace(FRESH, as_of=NOW + timedelta(days=7), champion_end=NOW + timedelta(days=6))
    answered = replace(week, drift=DRIFTED, last_retrain=NOW)
    advice = ask(answered, advice)
    assert (advice.action, advice.drift_since) == ("nothing", NOW.isoformat())
    assert advice.reasons == (
        "drift since the check of 2026-03-01 06:00: 1 of 2 columns drifted: taste 0.30; the retrain as of 2026-03-01 "
        "06:00 has answered it",
    )
    for columns, action in (
        ({"taste": 0.449, "hour": 0.01}, "nothing"),
        ({"taste": 0.45, "hour": 0.01}, "retrain"),  # 1.5 times the distance that was answered
        ({"taste": 0.3, "hour": 0.11}, "retrain"),  # another column
    ):
        grown = replace(answered, drift=DRIFTED.model_copy(update={"columns": columns}))
        assert ask(grown, advice).action == action
    calm = ask(week, advice)
    assert (calm.drift_since, calm.drift_columns) == (None, {})
    back = replace(answered, as_of=NOW + timedelta(days=9), champion_end=NOW + timedelta(days=8))
    assert ask(back, calm).action == "retrain"  # a new drift


def test_a_refresh_that_was_asked_for_is_not_asked_for_again_within_hours() -> None:
    advice = ask(OLD)
    assert ask(later(OLD, 6), advice).action == "nothing"
    assert ask(later(OLD, 12), advice).action == "refresh"
    assert ask(later(replace(OLD, drift=DRIFTED), 6), advice).action == "retrain"  # the refresh had its turn


def test_an_alarm_keeps_what_was_asked_for_and_the_drift_that_is_known() -> None:
    advice = ask(replace(FRESH, drift=DRIFTED))
    alarm = ask(replace(FRESH, drift=DRIFTED, checks=DataChecks(checks=(BROKEN,), notes=())), advice)
    assert (alarm.action, alarm.retrain_asked, alarm.drift_since) == ("alarm", NOW.isoformat(), NOW.isoformat())


def test_the_alarm_on_volume_is_a_column_of_the_drift() -> None:
    loud = CALM.model_copy(update={"drifted": True, "reasons": ["volume: 3.00 times the reference's events per day"]})
    assert columns_over_limit(loud) == {"volume": 1.0}
    assert columns_over_limit(DRIFTED) == {"taste": 0.3}
