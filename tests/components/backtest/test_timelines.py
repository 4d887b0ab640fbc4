"""The plot of values over time."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

from components.backtest.timelines import timelines
from tests.components.backtest.support import day

SERIES = {
    "flat & low": [(day(0), 0.1), (day(7), 0.1), (day(14), 0.1)],
    "rising": [(day(0), 0.1), (day(7), 0.15), (day(14), 0.2)],
    "close": [(day(0), 0.1), (day(7), 0.15), (day(14), 0.2)],
}


def lines(svg: str) -> list[list[tuple[float, float]]]:
    """Return the points of each path with more than one segment."""
    paths = re.findall(r'<path class="line [^"]*" d="M([^"]*L[^"]*)"', svg)
    return [[(float(x), float(y)) for x, y in (p.split() for p in path.split(" L"))] for path in paths]


def test_each_series_is_a_line_to_scale() -> None:
    flat, rising, _ = lines(timelines(SERIES, "t", "d"))
    assert len({y for _, y in flat}) == 1
    (x0, y0), (x1, y1), (x2, y2) = rising
    assert x1 - x0 == x2 - x1 > 0
    assert abs((y0 - y1) - (y1 - y2)) < 0.2
    assert y2 < y1 < y0 == flat[0][1]


def test_names_are_escaped_and_do_not_overlap() -> None:
    svg = timelines(SERIES, "a <title>", "d")
    root = ET.fromstring(svg)
    assert root.get("aria-label") == "a <title>. d"
    labels = [element for element in root if element.get("class") == "label"]
    assert [element.text for element in labels] == list(SERIES)
    heights = sorted(float(element.get("y", "0")) for element in labels)
    assert all(b - a >= 16.9 for a, b in pairwise(heights))


def test_equal_numbers_give_equal_text_and_one_moment_is_enough() -> None:
    assert timelines(SERIES, "t", "d") == timelines(SERIES, "t", "d")
    ET.fromstring(timelines({"one": [(day(3), 0.5)]}, "t", "d"))


def test_at_most_six_dates_are_written_the_ends_among_them() -> None:
    svg = timelines({"x": [(day(n), float(n)) for n in range(0, 70, 7)]}, "t", "d")
    dates = re.findall(r">(2026-\d\d-\d\d)<", svg)
    assert (len(dates), dates[0], dates[-1]) == (6, "2026-01-01", f"{day(63):%Y-%m-%d}")
