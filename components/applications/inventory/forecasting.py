"""One run of the application: the snapshot's events in; a plan, its back-test and the verdict of its gate out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.applications.inventory.backtest import DemandBacktest, run_backtest
from components.applications.inventory.catalogue import align_products, category_levels, read_stock
from components.applications.inventory.gate import SegmentVerdict, judge_segments
from components.applications.inventory.model import ModelSettings
from components.applications.inventory.new_products import add_new_products
from components.applications.inventory.panel import COLUMNS, Panel, build_panel
from components.applications.inventory.plan import InventoryPlan, make_plan
from components.applications.inventory.policy import OrderRule, critical_ratio
from components.applications.inventory.rolling import MODEL, ForecastOrigin, forecast_origin
from components.applications.inventory.stockouts import CLOSED_SHARE
from components.applications.reasons import Reason, give_reason, reason_of
from components.applications.record import ApplicationRecord, Ships
from components.data.partitions import read_table
from components.errors import ContractError
from components.params import InventoryParams
from components.times import DAY_US, to_datetime, to_iso, to_micros

if TYPE_CHECKING:
    import pandas as pd

MIN_HISTORY = 12  # periods before the first origin
MIN_PRODUCTS = 5  # with enough sales at the first origin
NAME = "inventory"


@dataclass(frozen=True)
class Run:
    """The result of a run. Without a back-test, `reasons` says why nothing ships."""

    end: int  # microseconds; the end of the newest period
    reasons: list[Reason]
    counts: dict[str, int]
    ships: Ships
    plan: InventoryPlan | None = None
    backtest: DemandBacktest | None = None
    verdicts: Sequence[SegmentVerdict] = ()


def read_sales(snapshot: Path, end: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the events that demand is made of before `end`, and the products of the snapshot."""
    events = read_table(snapshot, "events", COLUMNS, end=to_datetime(end)).to_pandas()
    columns = ("item_id", "title", "category", "price", "timestamp")
    return events, read_table(snapshot, "products", columns).to_pandas()


def run_inventory(snapshot: Path, as_of: datetime, params: InventoryParams, root: Path, seed: int) -> Run:
    """Forecast from the events before the last midnight (UTC) at or before as_of.

    root: the folder that params.stock_file is relative to. Nothing ships from data that are too short, or that end
    before the newest period.
    """
    end = to_micros(as_of) // DAY_US * DAY_US
    events, products = read_sales(snapshot, end)
    try:
        newest = _panel(events, products, end, params)
    except ContractError as error:
        return Run(end, [reason_of(error)], {}, "nothing")
    n_test, n_calibration = fitting_origins(newest.n_periods, params)
    problem = find_problem(newest, n_test, params)
    if problem is not None:
        return Run(end, [problem], newest.counts, "nothing")
    width = params.period_days * DAY_US
    panels = {0: newest}

    def panel_at(back: int) -> Panel:
        if back not in panels:
            panels[back] = _panel(events, products, end - back * width, params)
        return panels[back]

    settings = ModelSettings(n_trees=params.trees, max_rows=params.max_training_rows, seed=seed % 2**31)
    horizon = params.horizon
    backtest = run_backtest(panel_at, horizon, n_test, n_calibration, params.min_sales, settings)
    verdicts = judge_segments(backtest, seed)
    final = forecast_origin(newest, 0, horizon, params.min_sales, settings, None)
    plan, counts = _plan(newest, final, backtest, verdicts, products, params, root)
    ships: Ships = "model" if any(v.ships == MODEL for v in verdicts) else "baseline"
    return Run(end, [v.reason for v in verdicts], newest.counts | counts, ships, plan, backtest, verdicts)


def fitting_origins(n_periods: int, params: InventoryParams) -> tuple[int, int]:
    """Return how many test and calibration origins the history has room for, at most those of the parameters."""
    room = max(0, (n_periods - MIN_HISTORY) // params.horizon)
    n_calibration = min(params.calibration_origins, max(1, room // 2))
    return min(params.test_origins, max(0, room - n_calibration)), n_calibration


def find_problem(panel: Panel, n_test: int, params: InventoryParams) -> Reason | None:
    """Return why nothing can be forecast from the panel; None where it can."""
    if n_test < 1:
        needed = MIN_HISTORY + 2 * params.horizon
        return give_reason("inventory_short", expected=needed, period=params.period, n=panel.n_periods)
    total = panel.lines.sum(axis=0)
    if total[-1] < CLOSED_SHARE * np.median(total):
        newest, median = f"{total[-1]:.0f}", f"{np.median(total):.0f}"
        return give_reason("inventory_incomplete", period=params.period, n=newest, expected=median)
    early = panel.lines[:, : panel.n_periods // 2].sum(axis=1) >= params.min_sales
    if early.sum() < MIN_PRODUCTS:
        return give_reason(
            "inventory_few_products", expected=MIN_PRODUCTS, min_sales=params.min_sales, n=int(early.sum())
        )
    return None


def make_record(run: Run, simulated: bool) -> ApplicationRecord:
    """Return the record of a run, with the numbers of every method."""
    return ApplicationRecord(
        application=NAME,
        as_of=to_iso(run.end),
        simulated=simulated,
        ships=run.ships,
        reasons=run.reasons,
        metrics={} if run.backtest is None else flat_scores(run.backtest),
        limits=(
            "Sales stand for demand: what customers wanted and did not find is known only where a gap in sales shows.",
            "Costs are simulated at the orders of the back-test; real suppliers have minimum quantities and delays.",
        ),
        counts=run.counts,
    )


def flat_scores(backtest: DemandBacktest) -> dict[str, float]:
    """Return "model/quantile_loss", "croston/cost_at_9" and the like; unknown values are left out."""
    out: dict[str, float] = {"origins": float(len(backtest.predictions))}
    for method, scores in backtest.scores.items():
        out |= {f"{method}/scaled_error_{level}": value for level, value in scores.scaled_error.items()}
        out |= {f"{method}/cost_at_{ratio:g}": cost for ratio, cost in scores.costs.items()}
        out |= {f"{method}/quantile_loss": scores.quantile_loss, f"{method}/coverage": scores.coverage}
    return {name: value for name, value in out.items() if np.isfinite(value)}


def _panel(events: pd.DataFrame, products: pd.DataFrame, end: int, params: InventoryParams) -> Panel:
    panel = build_panel(events, end, params.period_days, params.return_days)
    return panel.with_groups(category_levels(align_products(products, panel.item_id)["category"].tolist()))


def _plan(
    panel: Panel,
    final: ForecastOrigin,
    backtest: DemandBacktest,
    verdicts: Sequence[SegmentVerdict],
    products: pd.DataFrame,
    params: InventoryParams,
    root: Path,
) -> tuple[InventoryPlan, dict[str, int]]:
    """Return the plan with titles and new products, and counts of its rows."""
    counts: dict[str, int] = {}
    stock = np.full(len(final.item_id), np.nan)
    if params.stock_file is not None:
        stock, counts = read_stock(root / params.stock_file, final.item_id)
    plan = make_plan(panel, final, backtest, verdicts, stock, order_rule(params), params.protection_periods)
    plan = add_new_products(plan, panel, products, params.horizon, params.new_product_days)
    found = align_products(products, plan.products["item_id"].tolist())
    table: Any = plan.products.assign(title=found["title"].to_numpy(), category=found["category"].to_numpy())
    counts |= {"products": len(table), "products_too_few_sales": len(panel.item_id) - len(final.item_id)}
    counts |= {f"action_{str(a).replace(' ', '_')}": int(n) for a, n in table["action"].value_counts().items()}
    return InventoryPlan(table, plan.forecasts), counts


def order_rule(params: InventoryParams) -> OrderRule:
    """Return the shop's terms; without a service level, that which costs least at its ratio of costs."""
    level = params.service_level
    level = critical_ratio(params.stockout_cost_ratio) if level is None else level
    return OrderRule(params.lead_time_days, params.review_days, level, params.holding_cost)
