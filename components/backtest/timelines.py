"""Plot of values over time, one line for each policy, as SVG with real text; equal numbers give equal bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from components.evaluation.plots import WIDTH, nice_ticks

HEIGHT, TOP, LEFT, RIGHT, AXIS = 320, 14.0, 64.0, 150.0, 34.0  # pixels
LABEL = 17.0  # pixels between the names of two lines
COLOURS = ("challenger", "champion", "candidate", "baseline")


def timelines(series: Mapping[str, Sequence[tuple[datetime, float]]], title: str, description: str) -> str:
    """Return one line per name, with its name at the right; every series has at least one point."""
    moments = sorted({at for points in series.values() for at, _ in points})
    values = [value for points in series.values() for _, value in points]
    ticks = nice_ticks(min(values), max(values))
    span = max((moments[-1] - moments[0]).total_seconds(), 1.0)

    def across(at: datetime) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - moments[0]).total_seconds() / span

    def down(value: float) -> float:
        return TOP + (HEIGHT - TOP) * (ticks[-1] - value) / (ticks[-1] - ticks[0])

    parts = [
        f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{down(t):.1f}" y2="{down(t):.1f}"/>'
        f'<text class="tick" x="{LEFT - 8:g}" y="{down(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in ticks
    ]
    parts += [
        f'<text class="tick" x="{across(at):.1f}" y="{HEIGHT + 20}" text-anchor="middle">{at:%Y-%m-%d}</text>'
        for at in _labelled(moments)
    ]
    heights = _spread([down(points[-1][1]) for points in series.values()])
    for number, ((name, points), height) in enumerate(zip(series.items(), heights, strict=True)):
        style = f"line {COLOURS[number % 4]}{' dashed' if number >= 4 else ''}"
        line = " L".join(f"{across(at):.1f} {down(value):.1f}" for at, value in points)
        parts.append(f'<path class="{style}" d="M{line}"/>')
        x = WIDTH - RIGHT
        parts.append(f'<path class="{style}" d="M{x + 8:.1f} {height:.1f} h20"/>')
        parts.append(f'<text class="label" x="{x + 34:.1f}" y="{height + 4.5:.1f}">{escape(name)}</text>')
    label = f"{escape(title)}. {escape(description)}"
    box = f"0 0 {WIDTH} {HEIGHT + AXIS:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="{box}" role="img" aria-label="{label}">'
        + "".join(parts)
        + "</svg>"
    )


def _labelled(moments: Sequence[datetime], most: int = 6) -> list[datetime]:
    """Return evenly spread moments, the first and the last among them."""
    n = min(most, len(moments))
    return [moments[round(i * (len(moments) - 1) / max(n - 1, 1))] for i in range(n)]


def _spread(heights: Sequence[float]) -> list[float]:
    """Return the heights, moved down where two names would overlap."""
    out, last = list(heights), -LABEL
    for i in sorted(range(len(heights)), key=lambda i: heights[i]):
        out[i] = last = max(heights[i], last + LABEL)
    return out
