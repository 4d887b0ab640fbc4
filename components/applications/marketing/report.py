"""reports/marketing/report.html: segments, how stable they are, response by decile, and uplift where it is known.

The page is self-contained, escaped, without a script and without a user id.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from components.applications.marketing.uplift_judgement import Curve, UpliftJudgement
from components.evaluation.pages import render_page
from components.evaluation.plots import AXIS, WIDTH, LinearScale, PlotRow, bars, nice_ticks, standalone, svg_of
from components.io import write_text

if TYPE_CHECKING:
    from components.applications.marketing.build import MarketingResult
    from components.applications.marketing.response import ResponseJudgement
    from components.applications.marketing.segments import SegmentSummary
    from components.applications.record import ApplicationRecord

TEMPLATES = Path(__file__).parent / "templates"
HEIGHT, TOP = 260, 12.0  # of the picture of uplift, in pixels


def write_report(out: Path, result: MarketingResult, record: ApplicationRecord) -> None:
    """Write report.html and plots/*.svg."""
    pictures = {
        f"segments_{kind}": segment_plot([s for s in result.segments if s.kind == kind], kind)
        for kind in ("value", "behaviour")
    }
    if result.response is not None:
        pictures["deciles"] = decile_plot(result.response)
    if result.uplift is not None:
        pictures["uplift"] = uplift_plot(result.uplift)
    for name, svg in pictures.items():
        write_text(out / "plots" / f"{name}.svg", standalone(svg))
    context = {"record": record, "result": result, "response": result.response, "uplift": result.uplift}
    filters = {
        "percent": lambda value, digits=1: f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%",
        "num": lambda value, digits=2: f"{value:,.{digits}f}",
    }
    write_text(out / "report.html", render_page(TEMPLATES, pictures, context, filters) + "\n")


def segment_plot(segments: list[SegmentSummary], kind: str) -> str:
    """Return bars with the share of the users in each segment, in per cent."""
    rows = [
        PlotRow(s.name[:40], "candidate", 100 * s.share, 100 * s.share, 100 * s.share, f"{s.n_users:,} users")
        for s in segments
    ]
    return bars(rows, f"Users by {kind} segment, per cent", "Exact numbers are beside the bars.")


def decile_plot(response: ResponseJudgement) -> str:
    """Return bars with the lift of each tenth of the users, with the baseline's as a second mark."""
    rows = [
        PlotRow(
            f"tenth {d.decile}", "challenger", d.lift, d.lift, d.lift,
            f"{d.responses} of {d.n_users}, {d.lift:.2f}", other=d.baseline_lift,
        )
        for d in response.deciles
    ]  # fmt: skip
    return bars(rows, "Response rate of each tenth over the average", "Exact numbers are beside the bars.")


def uplift_plot(uplift: UpliftJudgement) -> str:
    """Return the lines of responses added per user against the share of users addressed, best first."""
    last = uplift.curve[-1][1]
    series: dict[str, tuple[str, Curve]] = {"measured": ("challenger", uplift.curve)}
    if uplift.true_curve and uplift.best_curve:
        series["truth"] = ("champion", uplift.true_curve)
        series["best possible"] = ("candidate dashed", uplift.best_curve)
    series["random order"] = ("baseline", [(0.0, 0.0), (1.0, last)])
    values = [y for _, curve in series.values() for _, y in curve]
    ticks = nice_ticks(min(values), max(values))
    across = LinearScale(0, 1, left=60, right=150)

    def down(value: float) -> float:
        return TOP + (HEIGHT - TOP) * (ticks[-1] - value) / (ticks[-1] - ticks[0])

    parts = [
        f'<line class="grid" x1="60" x2="{WIDTH - 150}" y1="{down(t):.1f}" y2="{down(t):.1f}"/>'
        f'<text class="tick" x="52" y="{down(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in ticks
    ]
    parts += [
        f'<text class="tick" x="{across(x):.1f}" y="{HEIGHT + 18}" text-anchor="middle">{100 * x:.0f} %</text>'
        for x in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    for number, (name, (role, curve)) in enumerate(series.items()):
        line = " L".join(f"{across(x):.1f} {down(y):.1f}" for x, y in curve)
        label = TOP + 18 * number + 10
        parts.append(f'<path class="line {role}" d="M{line} M{WIDTH - 140} {label:.1f} h22"/>')
        parts.append(f'<text class="label" x="{WIDTH - 112}" y="{label + 4.5:.1f}">{escape(name)}</text>')
    return svg_of(parts, HEIGHT + AXIS, "Responses added per user, by share of users addressed", "Best users first.")
