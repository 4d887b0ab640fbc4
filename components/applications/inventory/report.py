"""reports/inventory/report.html: the back-test, the verdicts, and the head of the lists; one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.applications.inventory.backtest import COST_RATIOS, DemandBacktest, ProductErrors
from components.applications.inventory.forecasting import Run
from components.applications.inventory.gate import SegmentVerdict
from components.applications.inventory.rolling import MODEL
from components.applications.record import ApplicationRecord
from components.evaluation import plots
from components.evaluation.pages import render_page
from components.io import write_text

if TYPE_CHECKING:
    import pandas as pd

TEMPLATES = Path(__file__).parent / "templates"
N_LISTED = 20
N_BOOTSTRAP = 500
Row = dict[str, str]


def write_report(folder: Path, run: Run, record: ApplicationRecord) -> None:
    """Write report.html and plots/*.svg; without a back-test, a page with the reasons alone."""
    pictures = {} if run.backtest is None else draw(run.backtest, run.verdicts)
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for name, svg in pictures.items():
        write_text(folder / "plots" / f"{name}.svg", plots.standalone(svg))
    context: dict[str, Any] = {
        "record": record,
        "scores": [] if run.backtest is None else score_rows(run.backtest),
        "lists": {} if run.plan is None else list_rows(run.plan.products),
        "n_origins": 0 if run.backtest is None else len(run.backtest.predictions),
    }
    write_text(folder / "report.html", render_page(TEMPLATES, pictures, context) + "\n")


def draw(backtest: DemandBacktest, verdicts: Sequence[SegmentVerdict]) -> dict[str, str]:
    """Return the SVG of each plot."""
    ratio = COST_RATIOS[1]
    return {
        "losses": plots.bars(loss_lines(backtest), "Weighted quantile loss by method", "Numbers are beside the bars."),
        "errors": plots.bars(
            _lines({name: s.scaled_error["product"] for name, s in backtest.scores.items()}, "{:.3f}"),
            "Weighted scaled error of products by method",
            "Numbers are beside the bars.",
        ),
        "costs": plots.bars(
            _lines({name: s.costs[ratio] for name, s in backtest.scores.items()}, "{:,.0f}"),
            f"Simulated cost by method, a missing unit at {ratio:g} times a unit left over",
            "Numbers are beside the bars.",
        ),
        "segments": plots.forest(
            [
                plots.PlotRow(
                    label=f"{v.segment}, against {v.baseline.replace('_', ' ')}",
                    role="challenger" if v.ships == MODEL else "baseline",
                    value=v.difference,
                    low=v.low,
                    high=v.high,
                    text=f"{v.difference:+.1%} [{v.low:+.1%}, {v.high:+.1%}]",
                )
                for v in verdicts
            ],
            "Quantile loss of the model less that of the best simple method, relative to it",
            "Numbers are beside the dots.",
        ),
    }


def loss_lines(backtest: DemandBacktest) -> list[plots.PlotRow]:
    """Return the quantile loss of each method with its bootstrap interval over products, smallest first."""
    n = len(backtest.predictions)
    rows = []
    for name, errors in backtest.errors.items():
        value, low, high = _interval(errors, n)
        rows.append(plots.PlotRow(_label(name), _role(name), value, low, high, f"{value:.3f} [{low:.3f}, {high:.3f}]"))
    return sorted(rows, key=lambda row: row.value)


def score_rows(backtest: DemandBacktest) -> list[Row]:
    """Return the table of all numbers, one row per method."""
    return [
        {"method": _label(name)}
        | {f"scaled error, {level.replace('_', ' ')}": f"{value:.3f}" for level, value in s.scaled_error.items()}
        | {"quantile loss": f"{s.quantile_loss:.3f}", "coverage of 90 %": f"{s.coverage:.1%}"}
        | {f"cost at {ratio:g}": f"{cost:,.0f}" for ratio, cost in s.costs.items()}
        for name, s in backtest.scores.items()
    ]


def list_rows(products: pd.DataFrame) -> dict[str, list[Row]]:
    """Return the first products of each action that asks for something."""
    lists: dict[str, list[Row]] = {}
    for action, rows in products[products["action"] != "none"].groupby("action", sort=True):
        lists[f"{action} ({len(rows):,})"] = [
            {
                "product": str(row["title"] or row["item_id"])[:80],
                "demand a day": _number(row["demand_per_day"], 2),
                "reorder point": _number(row["reorder_point"], 0),
                "order": _number(row["order_quantity"], 0),
                "stock": _number(row["stock"], 0),
                "days since a sale": _number(row["days_since_sale"], 0),
            }
            for row in rows.head(N_LISTED).to_dict("records")
        ]
    return lists


def _interval(errors: ProductErrors, n_origins: int) -> tuple[float, float, float]:
    _, product = np.unique(errors.item, return_inverse=True)
    losses = np.bincount(product, errors.loss) / n_origins
    counts = np.random.default_rng(0).multinomial(len(losses), np.full(len(losses), 1 / len(losses)), size=N_BOOTSTRAP)
    low, high = np.quantile(counts @ losses, (0.025, 0.975))
    return float(losses.sum()), float(low), float(high)


def _lines(values: dict[str, float], form: str) -> list[plots.PlotRow]:
    ordered = sorted(values.items(), key=lambda pair: pair[1])
    return [plots.PlotRow(_label(n), _role(n), v, v, v, form.format(v)) for n, v in ordered if np.isfinite(v)]


def _label(method: str) -> str:
    return method.replace("_", " ")


def _role(method: str) -> str:
    return "challenger" if method == MODEL else "baseline"


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if np.isfinite(value) else ""
