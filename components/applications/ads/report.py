"""The report of the ads application: reliability curves, policy values with intervals, pacing of replayed days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.applications.ads.build import AdsResult
from components.applications.ads.policy_value import PolicyValue
from components.applications.ads.reliability import Bin
from components.applications.ads.simulation import SimulatedDays
from components.applications.record import ApplicationRecord
from components.evaluation.pages import render_page
from components.evaluation.plots import AXIS, WIDTH, LinearScale, PlotRow, forest, nice_ticks, svg_of

TEMPLATES = Path(__file__).parent / "templates"
HEIGHT, TOP = 300, 12.0  # pixels
Down = Callable[[float], float]
ROLES = ("challenger", "champion", "candidate", "baseline")


def write_report(out: Path, result: AdsResult, record: ApplicationRecord, ad_counts: dict[str, int]) -> None:
    """Write out/report.html. ad_counts: rows of the table of ads by outcome."""
    pictures = {
        f"reliability_{event}": draw_reliability(found.bins, event) for event, found in result.calibrated.items()
    }
    pictures |= {"policies": draw_policies(result.policies), "pacing": draw_pacing(result.replay)}
    page = render_page(
        TEMPLATES,
        pictures,
        {
            "record": record,
            "calibrated": result.calibrated,
            "policies": result.policies,
            "log_counts": result.log_counts,
            "ad_counts": ad_counts,
            "ads": result.published.ads,
            "rules": result.published.rules,
            "replay": result.replay,
        },
        {"number": lambda value: f"{value:.4f}", "money": lambda value: f"{value:.5f}"},
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.html").write_text(page + "\n", encoding="utf-8")


def draw_reliability(bins: list[Bin], event: str) -> str:
    """Return predicted against observed shares with the diagonal; "" without impressions."""
    if not bins:
        return ""
    top = max(*(b.high for b in bins), *(b.predicted for b in bins))
    ticks = nice_ticks(0, top)
    x, down = LinearScale(0, ticks[-1], left=60, right=20), _down(ticks[-1])
    parts = [*_rows(ticks, down, x), *(_column(t, x, f"{t:g}") for t in ticks)]
    parts.append(f'<path class="line baseline dashed" d="M{x(0):.1f} {down(0):.1f} L{x(ticks[-1]):.1f} {TOP:.1f}"/>')
    for b in bins:
        at = x(b.predicted)
        parts.append(f'<path class="line thin challenger" d="M{at:.1f} {down(b.low):.1f} V{down(b.high):.1f}"/>')
        parts.append(f'<circle class="dot challenger" cx="{at:.1f}" cy="{down(b.observed):.1f}" r="4.5"/>')
    return svg_of(parts, HEIGHT + AXIS, f"Observed share with a {event} by prediction", "Numbers are in the table.")


def draw_policies(policies: dict[str, PolicyValue]) -> str:
    """Return the gain of each policy over the logging policy; "" without a log."""
    rows = [
        PlotRow(name, "challenger" if name == "ours" else "baseline", *value.gain, text=_interval(value.gain))
        for name, value in policies.items()
        if name != "logging"
    ]
    return forest(rows, "Gain over the logging policy, money per impression", "Exact numbers are beside the dots.")


def draw_pacing(days: SimulatedDays | None) -> str:
    """Return planned and spent shares of the budget over the hours of all days; "" without a replay."""
    if days is None or not days.campaigns:
        return ""
    n_days = len(days.spent)
    x, ticks = LinearScale(0, 24 * n_days, left=60, right=130), [0.0, 0.25, 0.5, 0.75, 1.0]
    down = _down(1.0)
    parts = [*_rows(ticks, down, x), *(_column(24 * d, x, f"day {d + 1}") for d in range(n_days))]
    planned = np.cumsum(days.planned, axis=1)[:, :, 0] / days.budgets[0]
    parts.append(_line(planned, x, down, "baseline dashed"))
    spent = np.cumsum(days.spent, axis=1) / np.array(days.budgets)
    for n in range(min(len(days.campaigns), len(ROLES))):
        parts.append(_line(spent[:, :, n], x, down, ROLES[n]))
        parts.append(
            f'<path class="line {ROLES[n]}" d="M{WIDTH - 124} {30 + 20 * n} h22"/>'
            f'<text class="label" x="{WIDTH - 96}" y="{34 + 20 * n}">{n + 1}</text>'
        )
    return svg_of(parts, HEIGHT + AXIS, "Spend as a share of the day's budget", "The dashed line is the plan.")


def _down(top: float) -> Down:
    """Return the map of values in [0, top] to y, in pixels."""
    return lambda value: TOP + (HEIGHT - TOP) * (1 - value / top)


def _rows(ticks: Sequence[float], down: Down, x: LinearScale) -> list[str]:
    """Return horizontal grid lines with their numbers at the left."""
    return [
        f'<line class="grid" x1="{x.left}" x2="{WIDTH - 20}" y1="{down(t):.1f}" y2="{down(t):.1f}"/>'
        f'<text class="tick" x="{x.left - 8}" y="{down(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in ticks
    ]


def _column(value: float, x: LinearScale, text: str) -> str:
    """Return a number below the plot."""
    return f'<text class="tick" x="{x(value):.1f}" y="{HEIGHT + 18}" text-anchor="middle">{text}</text>'


def _line(shares: NDArray[np.float64], x: LinearScale, down: Down, role: str) -> str:
    """Return a line over the hours' ends; shares: (n_days, 24), each day from 0 on."""
    points = [
        f"{'M' if hour < 0 else 'L'}{x(24 * day + hour + 1):.1f} {down(0 if hour < 0 else row[hour]):.1f}"
        for day, row in enumerate(shares.tolist())
        for hour in range(-1, len(row))
    ]
    return f'<path class="line {role}" d="{" ".join(points)}"/>'


def _interval(estimate: tuple[float, float, float]) -> str:
    value, low, high = estimate
    return f"{value:+.5f} ({low:+.5f} to {high:+.5f})"
