"""What the gates are told about the data of a view."""

from datetime import timedelta

import pytest

from components.backtest.engine import Engine, FittedModel, View
from components.backtest.sensors import check_view, watch
from tests.components.backtest.support import day

AT = day(105)


@pytest.fixture
def champion(engine: Engine) -> FittedModel:
    view = View(day(98))
    return engine.fit(view, engine.split(view, engine.params), "popularity", engine.params, everything=["popularity"])


def test_sound_data_pass(engine: Engine, champion: FittedModel) -> None:
    checks = check_view(engine, View(AT), champion)
    assert {"data: volume", "data: products", "data: prices"} <= {check.name for check in checks}
    assert [check.name for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        ("doubled", {"data: activity of users"}),
        ("catalogue", {"data: products"}),  # those that the champion knows
        ("gap", {"data: days without events", "data: volume"}),
        ("prices", {"data: prices", "data: price jumps"}),
    ],
)
def test_a_fault_fails_its_guardrail(fault: str, failed: set[str], engine: Engine, champion: FittedModel) -> None:
    assert {check.name for check in check_view(engine, View(AT, fault), champion) if not check.passed} == failed


def test_drift_is_measured_against_data_without_the_fault(engine: Engine, champion: FittedModel) -> None:
    sound, faulty = watch(engine, View(AT), champion), watch(engine, View(AT, "prices"), champion)
    assert (sound.computable, sound.drifted, sound.reference) == (True, False, "champion")
    assert (faulty.computable, faulty.drifted) == (True, True)
    assert faulty.columns["price_log"] > faulty.thresholds["price_log"]


def test_without_a_champion_the_reference_is_the_past_of_the_same_data(engine: Engine) -> None:
    found = watch(engine, View(AT, "prices"), None)
    assert (found.drifted, found.reference) == (False, "own training window")  # all prices are too high


def test_the_reference_ends_where_the_champion_learned(engine: Engine, champion: FittedModel) -> None:
    late = champion.model_copy(update={"fit_end": int(AT.timestamp() * 1e6)})
    before_window = AT - timedelta(days=engine.params.drift.window_days)
    same = champion.model_copy(update={"fit_end": int(before_window.timestamp() * 1e6)})
    assert watch(engine, View(AT), late) == watch(engine, View(AT), same)
    old = champion.model_copy(update={"fit_end": int(day(70).timestamp() * 1e6)})
    assert watch(engine, View(AT), old).columns != watch(engine, View(AT), same).columns
