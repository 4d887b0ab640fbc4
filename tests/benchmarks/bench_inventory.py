"""Demand forecasts against simple methods on real shops, in weeks; the last 16 weeks are the test.

    python tests/benchmarks/bench_inventory.py --data DIR --shop online_retail_uci
    python tests/benchmarks/bench_inventory.py --data DIR --shop complete_journey

Products with 10 purchase events or more before each of four origins, 4 weeks ahead each. The model was tuned on
origins before the test (`--earlier 16` shows them).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.applications.inventory.backtest import DemandBacktest, run_backtest
from components.applications.inventory.baselines import SEASONAL_NAIVE, SMOOTHING, select_smoothing
from components.applications.inventory.gate import judge_segments
from components.applications.inventory.metrics import weighted_scaled_errors
from components.applications.inventory.model import ModelSettings
from components.applications.inventory.panel import Panel, build_panel
from components.applications.inventory.rolling import MODEL
from components.times import DAY_US, to_iso

if TYPE_CHECKING:
    import pandas as pd

HORIZON, MIN_LINES, RETURN_DAYS, WEEK_DAYS = 4, 10, 7, 7
SELECTS = {
    "online_retail_uci": """
        SELECT CustomerID AS user_id, upper(StockCode) AS item_id,
            (TRY_CAST(InvoiceDate AS TIMESTAMP) AT TIME ZONE 'Europe/London') AT TIME ZONE 'UTC' AS timestamp,
            CASE WHEN InvoiceNo LIKE 'C%' THEN 'return' ELSE 'purchase' END AS event,
            abs(TRY_CAST(Quantity AS DOUBLE)) AS quantity, TRY_CAST(UnitPrice AS DOUBLE) AS price,
            'all' AS category
        FROM read_csv('{folder}/*.csv.gz', all_varchar = true)
        WHERE regexp_matches(StockCode, '^([0-9]{{5}}|DCGS)') AND TRY_CAST(UnitPrice AS DOUBLE) > 0
            AND (TRY_CAST(Quantity AS INT) > 0 OR InvoiceNo LIKE 'C%')""",
    "complete_journey": """
        SELECT household_id AS user_id, product_id AS item_id, CAST(transaction_timestamp AS TIMESTAMP) AS timestamp,
            'purchase' AS event, CAST(quantity AS DOUBLE) AS quantity,
            CAST(sales_value AS DOUBLE) / CAST(quantity AS DOUBLE) AS price,
            coalesce(department, '?') || ' > ' || coalesce(product_category, '?') AS category
        FROM read_csv('{folder}/transactions_sample.csv.gz', all_varchar = true) AS lines
        LEFT JOIN read_csv('{folder}/products.csv.gz', all_varchar = true) AS products USING (product_id)
        WHERE CAST(quantity AS DOUBLE) > 0""",
}


def read_events(data: Path, shop: str) -> pd.DataFrame:
    """Return the purchases and returns of a shop, with the category path of each product."""
    import duckdb

    with duckdb.connect() as database:
        return database.execute(SELECTS[shop].format(folder=data / shop)).df()


def category_levels(events: pd.DataFrame, panel: Panel) -> Panel:
    """Return the panel with the levels of its categories."""
    paths = events.drop_duplicates("item_id").set_index("item_id")["category"].reindex(panel.item_id)
    if paths.nunique() < 2:
        return panel
    return panel.with_groups({"category_1": [p.split(" > ")[0] for p in paths], "category_2": list(paths)})


def report(backtest: DemandBacktest) -> None:
    """Print scores, ratios and verdicts."""
    print(f"products per origin: {[len(o.item_id) for o in backtest.origins[backtest.n_calibration :]]}")
    for name, s in backtest.scores.items():
        levels = " ".join(f"{level} {value:.4f}" for level, value in s.scaled_error.items())
        costs = " ".join(f"{ratio:g}: {cost:,.0f}" for ratio, cost in s.costs.items())
        print(f"{name:22} {levels} | quantile loss {s.quantile_loss:.4f} | coverage {s.coverage:.3f} | cost {costs}")
    ours = backtest.scores[MODEL]
    for level, value in ours.scaled_error.items():
        print(f"scaled error, {level}: {value / backtest.scores[SMOOTHING].scaled_error[level] - 1:+.1%} against SES")
    naive = backtest.scores[SEASONAL_NAIVE].quantile_loss
    print(f"quantile loss: {ours.quantile_loss / naive - 1:+.1%} against seasonal naive")
    for ratio, cost in ours.costs.items():
        others = {name: s.costs[ratio] for name, s in backtest.scores.items() if name != MODEL}
        best = min(others, key=lambda name: others[name])
        print(f"cost at ratio {ratio:g}: {cost / others[best] - 1:+.1%} against the best simple method, {best}")
    for verdict in judge_segments(backtest, seed=0):
        print(verdict.reason)


def report_automatic(backtest: DemandBacktest) -> None:
    """Print the scaled errors of AutoETS, product by product, and the model's against them."""
    found: list[dict[str, float]] = []
    for origin in backtest.origins[backtest.n_calibration :]:
        assert origin.actual is not None
        forecast = select_smoothing(origin.history, (origin.history > 0).argmax(axis=1), HORIZON)
        found.append(weighted_scaled_errors(origin.history, forecast, origin.actual, origin.value, origin.groups))
    for level, value in backtest.scores[MODEL].scaled_error.items():
        error = float(np.mean([errors[level] for errors in found]))
        print(f"scaled error, {level}: AutoETS {error:.4f}; the model {value / error - 1:+.1%} against it")


def main() -> None:
    """Run one shop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shop", choices=sorted(SELECTS), required=True)
    parser.add_argument("--earlier", type=int, default=0, help="weeks by which the end of the data is moved back")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--automatic", action="store_true", help="score AutoETS, too; takes minutes")
    args = parser.parse_args()
    events = read_events(args.data, args.shop)
    newest = int(events["timestamp"].max().value // 1000)
    end = (newest // DAY_US + 1) * DAY_US - args.earlier * WEEK_DAYS * DAY_US
    print(f"{args.shop}: {len(events):,} events until {to_iso(end)}")

    def panel_at(back: int) -> Panel:
        return category_levels(events, build_panel(events, end - back * WEEK_DAYS * DAY_US, WEEK_DAYS, RETURN_DAYS))

    started, cpu = time.perf_counter(), time.process_time()
    settings = ModelSettings(n_threads=args.threads)
    n_test, n_calibration = (4, 3) if args.earlier == 0 else (2, 2)
    backtest = run_backtest(panel_at, HORIZON, n_test, n_calibration, MIN_LINES, settings)
    wall, used = time.perf_counter() - started, time.process_time() - cpu
    print(f"{n_test + n_calibration} origins in {wall:.0f} s, {used:.0f} s of CPU")
    report(backtest)
    if args.automatic:
        report_automatic(backtest)


if __name__ == "__main__":
    main()
