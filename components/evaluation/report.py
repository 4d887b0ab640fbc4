"""One HTML page about an evaluation, self-contained, escaped, without a script or a user id.

It adds intervals to the metrics of the stage. It gives no verdict: the gate decides on promotion.
Titles appear only with counts over all users, so that the page reveals no single user's purchases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.contracts import Catalogue, Evaluation, FloatArray, IntArray, Interval
from components.evaluation import plots, report_data
from components.evaluation.metrics import METRICS
from components.evaluation.pages import render_page
from components.evaluation.results import read_values

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Protocol:
    """The evaluation protocol, as the page describes it."""

    ks: list[int]
    exclude_seen: bool
    min_slice_users: int
    cold_user_events: int
    validation_window: tuple[str, str]  # ISO
    n_validation_users: int
    min_gain: float


@dataclass(frozen=True)
class Favourite:
    """A product that a model lists often, and the share of users who get it."""

    title: str
    share: float


def write_report(
    out: Path,
    evaluation: Evaluation,
    favourites: Mapping[str, list[Favourite]],
    protocol: Protocol,
    bootstrap: report_data.Bootstrap,
) -> dict[str, Interval]:
    """Write out/report.html and out/plots/*.svg from out/per_user.parquet; return the gain over each other model."""
    values = read_values(out / "per_user.parquet", evaluation.primary, evaluation.primary_slice)
    against = report_data.reference(evaluation)
    rows = report_data.differences(evaluation, values, bootstrap, protocol.min_gain)
    slices = report_data.slice_views(evaluation, out / "per_user.parquet", bootstrap, protocol.min_slice_users)
    ours, theirs = values[evaluation.challenger], values[against]
    pictures = _pictures(evaluation, values, rows, slices, bootstrap)
    (out / "plots").mkdir(exist_ok=True)
    for name, svg in pictures.items():
        if svg:
            (out / "plots" / f"{name}.svg").write_text(plots.standalone(svg), encoding="utf-8")
    page = render(
        e=evaluation,
        models=report_data.ranked_models(evaluation),
        against=against,
        differences=rows,
        over_baseline=_over_best_baseline(evaluation, rows),
        slices=slices,
        win_loss=report_data.win_loss(ours, theirs),
        pictures=pictures,
        favourites=favourites,
        protocol=protocol,
        bootstrap=bootstrap,
        families=list(METRICS),
    )
    (out / "report.html").write_text(page, encoding="utf-8")
    return {row.other: row.interval for row in rows}


def _over_best_baseline(evaluation: Evaluation, rows: list[report_data.Difference]) -> report_data.Difference | None:
    """Return the row of the best simple model, where it is not the reference itself."""
    if not evaluation.champion or not evaluation.baselines:
        return None
    best = report_data.best_baseline(evaluation)
    return next(row for row in rows if row.other == best)


def _pictures(
    evaluation: Evaluation,
    values: Mapping[str, FloatArray],
    rows: list[report_data.Difference],
    slices: list[report_data.SliceView],
    bootstrap: report_data.Bootstrap,
) -> dict[str, str]:
    """Return the SVG of each plot by its name; "" where there is nothing to draw."""
    gains = values[evaluation.challenger] - values[report_data.reference(evaluation)]
    metric = report_data.metric_label(evaluation.primary)
    return {
        "models": plots.bars(
            report_data.model_lines(evaluation, values, bootstrap),
            f"{metric} by model",
            "Exact numbers are beside the bars.",
        ),
        "differences": plots.forest(
            report_data.difference_lines(rows),
            "Challenger minus each other model",
            "Exact numbers are beside the dots.",
        ),
        "gains": plots.gains(
            gains, "Per-user differences that are not zero", "The counts of users are above the picture."
        ),
        "slices": plots.forest(
            report_data.slice_lines(slices),
            "Challenger minus reference by slice",
            "Exact numbers are in the table below.",
        ),
    }


def favourites_of(lists: IntArray, catalogue: Catalogue, k: int, n: int) -> list[Favourite]:
    """Return the n products in the first k of most users' lists; ties in order of item_idx."""
    counts = np.bincount(lists[:, :k].ravel(), minlength=len(catalogue) + 1)
    counts[0] = 0
    best = np.argsort(-counts, kind="stable")[:n]
    return [
        Favourite(
            report_data.clean_title(catalogue.title[i]) or report_data.clean_title(catalogue.item_id[i]),
            float(counts[i] / len(lists)),
        )
        for i in best.tolist()
        if counts[i]
    ]


def render(e: Evaluation, **context: Any) -> str:
    """Return the page."""
    filters = {
        "metric": report_data.metric_label,
        "day": report_data.day,
        "signed": plots.signed,
        "num": lambda value: f"{value:.4f}",
        "percent": lambda value, digits=1: f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%",
        "approximate": report_data.approximate_count,
    }
    functions = {
        "long_label": lambda m: report_data.long_label(e, m),
        "role": lambda m: report_data.role(e, m),
        "further_bounds": report_data.further_bounds,
    }
    pictures = context.pop("pictures")
    return render_page(TEMPLATES, pictures, {"e": e, **context}, filters, functions) + "\n"
