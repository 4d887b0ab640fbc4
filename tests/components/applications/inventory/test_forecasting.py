"""What a run needs before it forecasts, and the numbers of its record."""

import numpy as np
import pytest

from components.applications.inventory.backtest import DemandBacktest, Scores
from components.applications.inventory.forecasting import (
    Run,
    find_problem,
    fitting_origins,
    flat_scores,
    make_record,
    order_rule,
)
from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import NEVER
from components.params import InventoryParams, load
from components.times import DAY_US
from tests.support import ROOT


def params(*lines: str) -> InventoryParams:
    return load(ROOT / "params.yaml", overrides=[f"inventory.{line}" for line in lines]).inventory


def panel(lines: np.ndarray) -> Panel:
    zero = np.zeros_like(lines)
    starts = np.arange(lines.shape[1], dtype=np.int64) * 7 * DAY_US
    names = [f"p{n}" for n in range(len(lines))]
    return Panel(names, lines, lines, lines, zero, zero, np.full(lines.shape, NEVER, np.int32), starts, 7)


@pytest.mark.parametrize(
    ("n_periods", "expected"),
    [(12, (0, 1)), (16, (0, 1)), (20, (1, 1)), (28, (2, 2)), (40, (4, 3)), (200, (4, 3))],
)
def test_the_history_decides_how_many_origins_there_are(n_periods: int, expected: tuple[int, int]) -> None:
    assert fitting_origins(n_periods, params()) == expected


def test_a_sound_shop_has_no_problem() -> None:
    assert find_problem(panel(np.full((6, 30), 3.0, np.float32)), 2, params()) is None


def test_problems_say_what_is_missing() -> None:
    lines = np.full((6, 30), 3.0, np.float32)
    short = find_problem(panel(lines[:, :10]), 0, params())
    assert short is not None
    assert short.text.startswith("expected 20 weeks of sales or more for a back-test, found 10")
    stopped = lines.copy()
    stopped[:, -1] = 0
    incomplete = find_problem(panel(stopped), 2, params())
    assert incomplete is not None
    assert (incomplete.key, incomplete.values["n"], incomplete.values["expected"]) == (
        "inventory_incomplete",
        "0",
        "18",
    )
    few = find_problem(panel(lines[:4]), 2, params())
    assert few is not None
    assert (few.key, few.values["n"]) == ("inventory_few_products", "4")


def test_numbers_of_the_record_are_flat_and_known() -> None:
    scores = Scores({"total": 0.5, "mean": 0.6}, 0.4, float("nan"), {3.0: 7.0})
    backtest = DemandBacktest([], 0, [{}, {}], {"model": scores}, {})
    assert flat_scores(backtest) == {
        "origins": 2.0, "model/scaled_error_total": 0.5, "model/scaled_error_mean": 0.6, "model/cost_at_3": 7.0,
        "model/quantile_loss": 0.4,
    }  # fmt: skip


def test_a_run_without_a_backtest_has_a_record_with_its_reason() -> None:
    problem = find_problem(panel(np.full((6, 10), 3.0, np.float32)), 0, params())
    assert problem is not None
    record = make_record(Run(70 * DAY_US, [problem], {"purchases": 9}, "nothing"), simulated=True)
    assert (record.ships, record.reasons, record.metrics) == ("nothing", [problem], {})
    assert record.as_of.startswith("1970-03-12")


def test_the_service_level_follows_the_costs_where_it_is_not_given() -> None:
    assert order_rule(params("service_level=0.8")).service_level == 0.8
    assert order_rule(params("service_level=null", "stockout_cost_ratio=19")).service_level == pytest.approx(0.95)
