"""Forecasts at an origin, and what quantiles learn from the origins before."""

import numpy as np
import pytest

from components.applications.inventory.baselines import BASELINES
from components.applications.inventory.model import ModelSettings
from components.applications.inventory.panel import Panel
from components.applications.inventory.rolling import (
    MODEL,
    ForecastOrigin,
    describe_series,
    forecast_origin,
    method_errors,
    predict_all,
    scale_series,
)
from components.applications.inventory.stockouts import find_stockouts
from components.times import DAY_US

SETTINGS = ModelSettings(n_trees=10, min_leaf=10)
N_ITEMS, N_PERIODS = 40, 40


def panel(n_periods: int) -> Panel:
    rng = np.random.default_rng(5)
    mean = np.linspace(1, 12, N_ITEMS)
    quantity = rng.poisson(np.repeat(mean[:, None], N_PERIODS, axis=1)).astype(np.float32)[:, :n_periods]
    quantity[0] = 0
    quantity[0, 3] = 1  # too few sales to be forecast
    zero = np.zeros_like(quantity)
    starts = np.arange(n_periods, dtype=np.int64) * 7 * DAY_US
    names = [f"p{n:02}" for n in range(N_ITEMS)]
    return Panel(names, quantity, quantity, 3 * quantity, zero, zero, find_stockouts(quantity), starts, 7)


def origin(n_periods: int) -> ForecastOrigin:
    future = panel(N_PERIODS).quantity[:, n_periods : n_periods + 2] if n_periods + 2 <= N_PERIODS else None
    return forecast_origin(panel(n_periods), N_PERIODS - n_periods, 2, 10, SETTINGS, future)


@pytest.fixture(scope="module")
def origins() -> list[ForecastOrigin]:
    return [origin(n) for n in (34, 36, 38, 40)]


def test_products_with_few_sales_are_left_out_of_every_method(origins: list[ForecastOrigin]) -> None:
    first = origins[0]
    assert "p00" not in first.item_id
    assert set(first.forecasts) == {MODEL, *BASELINES}
    assert {f.shape for f in first.forecasts.values()} == {(len(first.item_id), 2)}
    assert first.price == pytest.approx(np.full(len(first.item_id), 3.0))
    assert first.value == pytest.approx(3 * first.history[:, -4:].sum(axis=1))


def test_the_future_is_unknown_at_the_end(origins: list[ForecastOrigin]) -> None:
    assert origins[-1].actual is None
    assert len(method_errors(MODEL, origins)) == 3


def test_every_method_gets_quantiles_in_order_from_its_own_errors(origins: list[ForecastOrigin]) -> None:
    found = predict_all(origins[-1], origins[:-1])
    assert set(found) == {MODEL, *BASELINES}
    for prediction in found.values():
        assert (np.diff(prediction.quantiles, axis=2) >= 0).all()
        assert (prediction.low <= prediction.high).all()
        assert (prediction.low >= 0).all()
    np.testing.assert_array_equal(found[MODEL].mean, origins[-1].forecasts[MODEL])


def test_series_over_several_periods_have_that_level() -> None:
    series = describe_series(panel(N_PERIODS))
    assert scale_series(series, 4).level == pytest.approx(4 * series.level)
    assert series.density[5:] == pytest.approx(panel(N_PERIODS).lines[5:, -13:].mean(axis=1))
