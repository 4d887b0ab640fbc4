"""What the plan says of a product: which method, and its periods."""

import numpy as np
import pytest

from components.applications.inventory.gate import SegmentVerdict
from components.applications.inventory.metrics import QUANTILES
from components.applications.inventory.panel import Panel
from components.applications.inventory.plan import SHARES, choose_methods, forecast_rows, protected_demand
from components.applications.inventory.quantiles import Errors, Series
from components.applications.inventory.rolling import MODEL, ForecastOrigin
from components.applications.inventory.stockouts import NEVER
from components.times import DAY_US

N = 60


def origin(density: np.ndarray) -> ForecastOrigin:
    n = len(density)
    series = Series(np.full(n, 10.0), density, np.full(n, 0.3))
    history = np.full((n, 20), 10, np.float32)
    return ForecastOrigin(0, [f"p{k}" for k in range(n)], history, np.ones(n), np.ones(n), {}, series, {}, None)


def verdict(segment: str, ships: str) -> SegmentVerdict:
    return SegmentVerdict(segment, 50, "croston", 0.0, 0.0, 0.0, ships)


def test_each_product_gets_the_method_of_its_segment() -> None:
    verdicts = [verdict("sparse", "croston"), verdict("dense", MODEL)]
    found = choose_methods(origin(np.array([0.1, 1.0, 9.0])), verdicts)
    assert found == ["croston", MODEL, MODEL]  # no product of the middle segment was judged: the model ships elsewhere


def test_where_no_model_ships_a_segment_without_verdict_gets_the_baseline() -> None:
    found = choose_methods(origin(np.array([0.1, 1.0])), [verdict("sparse", "croston")])
    assert found == ["croston", "croston"]


def test_protected_demand_covers_the_first_periods_and_rises_with_the_service_level() -> None:
    rng = np.random.default_rng(0)
    now = origin(rng.uniform(0.5, 5, N))
    forecast = np.full((N, 4), 10, np.float32)
    known = [Errors(now.series, forecast, rng.poisson(10, (N, 4)).astype(np.float32)) for _ in range(3)]
    found = protected_demand(forecast, now, known, 3)
    assert found.shape == (N, len(SHARES))
    assert (np.diff(found, axis=1) >= 0).all()
    median = found[:, SHARES.tolist().index(0.5)]
    assert median.mean() == pytest.approx(30, abs=1.5)  # three periods of ten units


def test_rows_name_the_start_of_each_period() -> None:
    quantity = np.ones((1, 5), np.float32)
    panel = Panel(["a"], quantity, quantity, quantity, quantity, quantity, np.full((1, 5), NEVER, np.int32),
                  np.arange(5, dtype=np.int64) * 7 * DAY_US, 7)  # fmt: skip
    mean = np.array([[1.0, 2.0]], np.float32)
    quantiles = np.tile(np.arange(len(QUANTILES), dtype=np.float32), (1, 2, 1))
    rows = forecast_rows(panel, ["a"], mean, mean - 1, mean + 1, quantiles)
    assert rows["start"].str[:10].tolist() == ["1970-02-05", "1970-02-12"]  # five weeks after 1970-01-01
    assert rows["step"].tolist() == [1, 2]
    assert rows["q95"].tolist() == [5.0, 5.0]
    assert (rows["high"] - rows["low"]).tolist() == [2.0, 2.0]
