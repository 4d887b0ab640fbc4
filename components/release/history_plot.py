"""The history as a picture: quality by day of what served and of the simple models, beside what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from components.evaluation.plots import AXIS, WIDTH, LinearScale, nice_ticks, standalone, svg_of
from components.release.history import CHAMPION, DayOutcome, Served
from components.release.history_summary import DeploymentHistory, live_rows
from components.times import DAY_US, to_iso

HEIGHT, TOP, LEFT, RIGHT = 300, 24.0, 60, 130  # pixels
ROLES = {CHAMPION: "champion", "popularity": "baseline"}
Point = tuple[float, float]  # time in microseconds, value


def plot_history(periods: Sequence[Served], history: Sequence[DeploymentHistory], rows: Sequence[DayOutcome]) -> str:
    """Return an SVG file: a line for each model, a shaded interval of the expectation of each deployment.

    history: of the same periods, in the same order. rows: those of one metric. Without a scored day, the axes alone.
    """
    live = [row for period in periods for row in live_rows(period, rows) if row.mean is not None]
    lines: dict[str, list[Point]] = {}
    for row in sorted(live, key=lambda row: row.start_us):
        lines.setdefault(row.model, []).append(((row.start_us + row.until_us) / 2, row.mean or 0.0))
    serving = [(p, h) for p, h in zip(periods, history, strict=True) if p.start < p.end]
    first = min((p.start for p, _ in serving), default=0)
    last = max((p.end for p, _ in serving), default=DAY_US)
    values = [value for points in lines.values() for _, value in points]
    ticks = nice_ticks(0, max([*values, *(h.expected.high for _, h in serving if h.expected)], default=1.0))
    across = LinearScale(first, max(last, first + DAY_US), left=LEFT, right=RIGHT)

    def down(value: float) -> float:
        return TOP + (HEIGHT - TOP) * (1 - value / ticks[-1])

    parts = [_tick(tick, down(tick)) for tick in ticks]
    parts += [_expectation(p, h, across, down(h.expected.high), down(h.expected.low)) for p, h in serving if h.expected]
    parts += [_start(p, across) for p, _ in serving]
    parts += [_date(time, across) for time in _dates(first, last)]
    parts += _lines({name: [(across(t), down(v)) for t, v in points] for name, points in lines.items()})
    metric = history[0].metric if history else "quality"
    description = "Line: mean per user on each day. Shaded: 95 % interval of what was expected of the deployment."
    return standalone(svg_of(parts, HEIGHT + AXIS, f"{metric} by day, as deployed", description))


def _tick(value: float, y: float) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    )


def _expectation(period: Served, found: DeploymentHistory, across: LinearScale, top: float, bottom: float) -> str:
    left, right = across(period.start), across(period.end)
    size = f'width="{max(right - left, 1):.1f}" height="{max(bottom - top, 1):.1f}"'
    name = escape(f"expected of version {found.version}")
    return f'<rect class="expected" x="{left:.1f}" y="{top:.1f}" {size}><title>{name}</title></rect>'


def _start(period: Served, across: LinearScale) -> str:
    x, deployment = across(period.start), period.deployment
    if deployment.launch and deployment.launch.is_refresh:
        return ""
    label = f"{'back to ' if deployment.action == 'rollback' else ''}v{deployment.version}"
    return (
        f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{HEIGHT}"/>'
        f'<text class="tick" x="{x + 3:.1f}" y="{TOP - 10}">{label}</text>'
    )


def _dates(first: int, last: int, wanted: int = 6) -> list[int]:
    """Return midnights (us) between first and last, about `wanted`."""
    start = -(-first // DAY_US) * DAY_US
    step = max(1, -(-(last - start) // (DAY_US * wanted))) * DAY_US
    return list(range(start, last + 1, step))


def _date(time: int, across: LinearScale) -> str:
    return (
        f'<text class="tick" x="{across(time):.1f}" y="{HEIGHT + 18}" text-anchor="middle">{to_iso(time)[:10]}</text>'
    )


def _lines(series: Mapping[str, Sequence[Point]]) -> list[str]:
    """Return each model's line with its name at the right, the champion's last: on top."""
    parts = []
    for number, name in enumerate(sorted(series, key=lambda name: (name == CHAMPION, name))):
        role, points = ROLES.get(name, "candidate"), series[name]
        path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        label = TOP + 18 * (len(series) - 1 - number)
        parts.append(f'<path class="line {role}" d="M{path} M{WIDTH - RIGHT + 8} {label:.1f} h22"/>')
        parts += [f'<circle class="dot {role}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
        parts.append(f'<text class="label" x="{WIDTH - RIGHT + 36}" y="{label + 4.5:.1f}">{escape(name)}</text>')
    return parts
