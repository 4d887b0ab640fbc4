"""The whole back-test on a small shop whose demand is known: the model is no worse than simple methods."""

from functools import cache

import numpy as np
import pytest

from components.applications.inventory.backtest import DemandBacktest, future_of, run_backtest
from components.applications.inventory.gate import judge_segments
from components.applications.inventory.model import ModelSettings, fit_model
from components.applications.inventory.panel import Panel
from components.applications.inventory.rolling import MODEL
from components.applications.inventory.stockouts import find_stockouts
from components.times import DAY_US

N_ITEMS, N_PERIODS, HORIZON = 60, 40, 2
SETTINGS = ModelSettings(n_trees=30, n_leaves=8, min_leaf=20)


@cache
def demand() -> np.ndarray:
    rng = np.random.default_rng(3)
    mean = np.exp(rng.uniform(0, 3, N_ITEMS))
    return rng.poisson(np.repeat(mean[:, None], N_PERIODS, axis=1)).astype(np.float32)


def panel_at(back: int) -> Panel:
    quantity = demand()[:, : N_PERIODS - back]
    zero = np.zeros_like(quantity)
    starts = np.arange(quantity.shape[1], dtype=np.int64) * 7 * DAY_US
    names = [f"p{number:02}" for number in range(N_ITEMS)]
    panel = Panel(names, quantity, quantity, 2 * quantity, zero, zero, find_stockouts(quantity), starts, 7)
    return panel.with_groups({"category_1": ["odd" if number % 2 else "even" for number in range(N_ITEMS)]})


@pytest.fixture(scope="module")
def backtest() -> DemandBacktest:
    return run_backtest(panel_at, HORIZON, n_test=2, n_calibration=2, min_lines=10, settings=SETTINGS)


def test_the_future_of_an_origin_is_what_came(backtest: DemandBacktest) -> None:
    np.testing.assert_array_equal(future_of(panel_at(4), panel_at(0), 4, 2), demand()[:, 36:38])
    assert [origin.back for origin in backtest.origins] == [8, 6, 4, 2]
    np.testing.assert_array_equal(backtest.origins[-1].actual, demand()[:, 38:])


def test_the_model_beats_the_last_week_and_its_interval_covers(backtest: DemandBacktest) -> None:
    model, naive = backtest.scores[MODEL], backtest.scores["seasonal_naive"]
    assert set(model.scaled_error) == {"total", "category_1", "product", "mean"}
    assert model.scaled_error["product"] < 0.85 * naive.scaled_error["product"]
    assert model.quantile_loss < 0.9 * naive.quantile_loss
    assert 0.8 < model.coverage <= 0.98
    assert all(model.costs[ratio] < naive.costs[ratio] for ratio in model.costs)


def test_the_gate_ships_the_model_unless_it_is_worse(backtest: DemandBacktest) -> None:
    verdicts = judge_segments(backtest, seed=0)
    assert [v.segment for v in verdicts] == ["medium", "dense"]
    assert all(v.ships == (v.baseline if v.low > 0 else MODEL) for v in verdicts)
    assert all(v.low <= v.difference <= v.high for v in verdicts)


def test_nothing_after_an_origin_changes_its_forecast_and_fits_are_equal() -> None:
    panel = panel_at(8)
    rows = np.arange(N_ITEMS)
    first, second = (fit_model(panel, HORIZON, SETTINGS).predict(panel, panel.n_periods, rows) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (N_ITEMS, HORIZON)
    assert (first >= 0).all()
