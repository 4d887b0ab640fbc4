"""Small SVG plots with real text, without timestamps or random ids: the same numbers give the same bytes.

In the report they use its colours; `standalone` gives a file that includes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from components.contracts import FloatArray

WIDTH, ROW, AXIS, CHARACTER = 760, 34, 30, 8.6  # pixels; CHARACTER: mean width of one in a bold label
STYLE = Path(__file__).parent / "templates" / "plots.css"


@dataclass(frozen=True)
class PlotRow:
    """One row of a plot: a value with its interval. role: challenger, champion, candidate or baseline."""

    label: str
    role: str
    value: float
    low: float
    high: float
    text: str  # the numbers, as shown at the right
    other: float | None = None  # a second mark: the same metric on validation
    faint: bool = False  # shown without a verdict
    strong: bool = False


@dataclass(frozen=True)
class At:
    """A point of a curve with its interval."""

    x: float  # above 0
    y: float
    low: float
    high: float


def bars(rows: Sequence[PlotRow], title: str, description: str) -> str:
    """Return horizontal bars from zero with their intervals, and a diamond at `other`."""
    top = max(max(r.high, r.other or 0) for r in rows)
    ticks = nice_ticks(0, top)
    x = _scale(rows, 0, max(ticks[-1], top))
    parts = [_grid(ticks, x, len(rows))]
    for i, row in enumerate(rows):
        y = i * ROW + ROW / 2
        parts.append(_label(row, x, y))
        parts.append(
            f'<rect class="bar {row.role}" x="{x.left:.1f}" y="{y - 9:.1f}" '
            f'width="{x(row.value) - x.left:.1f}" height="18" rx="2"/>'
        )
        parts.append(_whisker(row, x, y))
        if row.other is not None:
            at = x(row.other)
            parts.append(f'<path class="diamond" d="M{at:.1f} {y - 6:.1f} l6 6 l-6 6 l-6 -6 z"/>')
    return svg_of(parts, len(rows) * ROW + AXIS, title, description)


def forest(rows: Sequence[PlotRow], title: str, description: str) -> str:
    """Return differences as dots with intervals around a line at zero; "" without rows."""
    if not rows:
        return ""
    low, high = min(0.0, *(r.low for r in rows)), max(0.0, *(r.high for r in rows))
    ticks = nice_ticks(low, high)
    x = _scale(rows, min(ticks[0], low), max(ticks[-1], high))
    height = len(rows) * ROW
    parts = [_grid(ticks, x, len(rows), show_sign=True)]
    parts.append(f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{height}"/>')
    for i, row in enumerate(rows):
        y = i * ROW + ROW / 2
        parts.append(_label(row, x, y))
        parts.append(_whisker(row, x, y))
        parts.append(f'<circle class="dot {row.role}{_faint(row)}" cx="{x(row.value):.1f}" cy="{y:.1f}" r="5.5"/>')
    return svg_of(parts, height + AXIS, title, description)


def curves(series: Mapping[str, Sequence[At]], title: str, description: str) -> str:
    """Return one line per name over x on a logarithmic scale, with whiskers, and the name at its end."""
    height, colours = 300, ("challenger", "champion", "candidate", "baseline")
    xs = sorted({p.x for points in series.values() for p in points})
    ticks = nice_ticks(0, max(p.high for points in series.values() for p in points))
    across = LinearScale(float(np.log10(xs[0])) - 0.1, float(np.log10(xs[-1])) + 0.1, left=60, right=130)
    top = 12.0

    def down(value: float) -> float:
        return top + (height - top) * (1 - value / ticks[-1])

    parts = [
        f'<line class="grid" x1="{across.left}" x2="{WIDTH - 130}" y1="{down(t):.1f}" y2="{down(t):.1f}"/>'
        f'<text class="tick" x="{across.left - 8}" y="{down(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in ticks
    ]
    parts += [
        f'<text class="tick" x="{across(float(np.log10(x))):.1f}" y="{height + 18}" text-anchor="middle">'
        f"{100 * x:g} %</text>"
        for x in xs
    ]
    free = _spread([down(points[-1].y) for points in series.values()], 16)
    for number, ((name, points), label) in enumerate(zip(series.items(), free, strict=True)):
        role, dashed = colours[number % 4], " dashed" if number >= 4 else ""
        shift = 3.0 * (number - (len(series) - 1) / 2)  # so that whiskers do not overlap
        at = [(across(float(np.log10(p.x))) + shift, p) for p in points]
        line = " L".join(f"{x:.1f} {down(p.y):.1f}" for x, p in at)
        parts.append(f'<path class="line {role}{dashed}" d="M{line} M{WIDTH - 124} {label:.1f} h22"/>')
        parts += [f'<path class="line thin {role}" d="M{x:.1f} {down(p.low):.1f} V{down(p.high):.1f}"/>' for x, p in at]
        parts += [f'<circle class="dot {role}" cx="{x:.1f}" cy="{down(p.y):.1f}" r="4"/>' for x, p in at]
        parts.append(f'<text class="label" x="{WIDTH - 96}" y="{label + 4.5:.1f}">{escape(name)}</text>')
    return svg_of(parts, height + AXIS, title, description)


def gains(differences: FloatArray, title: str, description: str) -> str:
    """Return the histogram of the per-user differences that are not zero, in bins of 0.05 from -1 to 1."""
    nonzero = differences[differences != 0]
    counts, edges = np.histogram(nonzero, bins=40, range=(-1, 1))
    height, top = 170, max(int(counts.max(initial=0)), 1)
    x = LinearScale(-1, 1, left=30, right=20)
    parts = [
        f'<line class="grid" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="0" y2="{height}"/>'
        f'<text class="tick" x="{x(t):.1f}" y="{height + 18}" text-anchor="middle">{signed(t, 1)}</text>'
        for t in (-1.0, -0.5, 0.0, 0.5, 1.0)
    ]
    for count, left, right in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            tall = (height - 22) * count / top
            side = "better" if left >= -1e-9 else "worse"
            parts.append(
                f'<rect class="{side}" x="{x(left) + 1:.1f}" y="{height - tall:.1f}" '
                f'width="{x(right) - x(left) - 2:.1f}" height="{tall:.1f}"><title>{count} users</title></rect>'
            )
    parts.append(f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{height}"/>')
    parts.append(f'<text class="tick" x="{x(-1):.1f}" y="12">tallest bar: {top:,} users</text>')
    return svg_of(parts, height + AXIS, title, description)


def standalone(svg: str) -> str:
    """Return the plot as a standalone file that includes its colours."""
    head, mark, rest = svg.partition(">")
    return f"{head}{mark}<style>{STYLE.read_text(encoding='utf-8')}</style>{rest}\n"


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Return about `wanted` round numbers that enclose low and high; steps are 1, 2, 2.5 or 5 times a power of 10."""
    span = high - low
    if not span > 0:
        return [low, low + 1]
    power = 10.0 ** np.floor(np.log10(span / wanted))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m * wanted >= span * 0.999)
    first, last = int(np.floor(low / step + 1e-9)), int(np.ceil(high / step - 1e-9))
    return [round(i * step, 12) for i in range(first, last + 1)]


class LinearScale:
    """Maps values to x, in pixels."""

    def __init__(self, low: float, high: float, left: float, right: float) -> None:
        self.low, self.left = low, left
        self.per_unit = (WIDTH - left - right) / (high - low)

    def __call__(self, value: float) -> float:
        """Return the x of a value."""
        return self.left + (value - self.low) * self.per_unit


def _grid(ticks: Sequence[float], x: LinearScale, n_rows: int, show_sign: bool = False) -> str:
    height = n_rows * ROW
    decimals = max(0, *(len(f"{t:.6f}".rstrip("0").partition(".")[2]) for t in ticks))
    return "".join(
        f'<line class="grid" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="0" y2="{height}"/>'
        f'<text class="tick" x="{x(t):.1f}" y="{height + 18}" text-anchor="middle">'
        f"{signed(t, decimals) if show_sign else f'{t:.{decimals}f}'}</text>"
        for t in ticks
    )


def _scale(rows: Sequence[PlotRow], low: float, high: float) -> LinearScale:
    """Leave room for the longest label at the left and the longest numbers at the right."""
    left, right = max(len(r.label) for r in rows), max(len(r.text) for r in rows)
    return LinearScale(low, high, left * CHARACTER + 22, right * CHARACTER + 22)


def _label(row: PlotRow, x: LinearScale, y: float) -> str:
    weight, low = (" strong" if row.strong else "") + _faint(row), y + 4.5
    return (
        f'<text class="label{weight}" x="{x.left - 12:.1f}" y="{low:.1f}" text-anchor="end">{escape(row.label)}</text>'
        f'<text class="value{weight}" x="{WIDTH}" y="{low:.1f}" text-anchor="end">{escape(row.text)}</text>'
    )


def _whisker(row: PlotRow, x: LinearScale, y: float) -> str:
    low, high = x(row.low), x(row.high)
    path = f"M{low:.1f} {y:.1f} H{high:.1f} M{low:.1f} {y - 5:.1f} v10 M{high:.1f} {y - 5:.1f} v10"
    return f'<path class="whisker{_faint(row)}" d="{path}"/>'


def _faint(row: PlotRow) -> str:
    return " faint" if row.faint else ""


def _spread(positions: Sequence[float], gap: float) -> list[float]:
    """Return the positions, in their order, moved down where two are closer than the gap."""
    out, last = list(positions), -np.inf
    for i in np.argsort(positions, kind="stable"):
        out[i] = last = max(positions[i], last + gap)
    return out


def svg_of(parts: Sequence[str], height: float, title: str, description: str) -> str:
    """Return the elements as a picture of WIDTH and this height, with its title for screen readers."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}. {escape(description)}">' + "".join(parts) + "</svg>"
    )


def signed(value: float, decimals: int = 4) -> str:
    """Return the number with a typographic minus sign, and a plus where it is above zero."""
    text = f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")
    return text[1:] if not any(c in "123456789" for c in text) else text
