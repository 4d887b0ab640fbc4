"""Plots agree with their numbers, in reproducible bytes."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.plots import At, PlotRow, bars, curves, forest, gains, nice_ticks, signed, standalone

SVG = "{http://www.w3.org/2000/svg}"
LINE = PlotRow("ease", "challenger", 0.04, 0.03, 0.05, "0.0400", other=0.06, strong=True)
LINES = [LINE, PlotRow("popularity", "baseline", 0.01, 0.0, 0.02, "0.0100")]


def numbers(svg: str, tag: str, attribute: str, css: str) -> list[float]:
    found = [e for e in ET.fromstring(svg).iter(SVG + tag) if css in e.get("class", "").split()]
    return [float(e.get(attribute, "nan")) for e in found]


def test_bars_are_as_long_as_their_values() -> None:
    svg = bars(LINES, "NDCG@10 by model", "...")
    long, short = numbers(svg, "rect", "width", "bar")
    assert long / short == pytest.approx(4, rel=0.01)
    assert svg.count('class="diamond"') == 1  # only one model has a second mark
    assert bars(LINES, "NDCG@10 by model", "...") == svg


def test_forest_puts_gains_right_of_zero_and_losses_left() -> None:
    svg = forest([LINE, replace(LINE, value=-0.02, low=-0.03, high=-0.01, faint=True)], "t", "d")
    zero = numbers(svg, "line", "x1", "zero")[0]
    gain, loss = numbers(svg, "circle", "cx", "dot")
    assert loss < zero < gain
    assert svg.count("whisker faint") == 1
    assert forest([], "t", "d") == ""


def test_histogram_counts_every_user_with_a_difference_once() -> None:
    differences = np.array([-1, -0.5, 0, 0, 0, 0.01, 0.02, 0.31, 1], np.float32)
    svg = gains(differences, "t", "d")
    counts = {side: re.findall(rf'class="{side}".*?<title>(\d+) users', svg) for side in ("worse", "better")}
    assert sum(map(int, counts["worse"])) == 2
    assert sum(map(int, counts["better"])) == 4
    assert 'class="better"' not in gains(np.zeros(5, np.float32), "t", "d")


def test_curves_have_a_whisker_for_each_point_and_labels_that_do_not_overlap() -> None:
    steps = [(0.01, 0.1), (0.1, 0.2), (1.0, 0.4)]
    series = {name: [At(x, y, y / 2, y * 1.5) for x, y in steps] for name in ("ease", "als & co")}
    svg = curves(series, "t", "d")
    ease = numbers(svg, "circle", "cx", "challenger"), numbers(svg, "circle", "cy", "challenger")
    assert ease[0][1] - ease[0][0] == pytest.approx(ease[0][2] - ease[0][1], abs=0.2)  # decades have equal widths
    assert ease[1] == sorted(ease[1], reverse=True)
    assert svg.count('class="line thin') == 6
    one, other = numbers(svg, "text", "y", "label")
    assert abs(one - other) >= 16
    assert [svg.count(f">{share} %<") for share in (1, 10, 100)] == [1, 1, 1]
    assert "als &amp; co" in svg
    assert curves({"ease": [At(1.0, 0.1, 0.1, 0.1)]}, "t", "d")


def test_labels_are_escaped_and_a_standalone_file_parses() -> None:
    svg = standalone(bars([replace(LINE, label='<script>"&')], 'a "title" <b>', "d"))
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'a "title" <b>. d'
    assert "<script" not in svg
    assert "--challenger" in svg  # includes its colours


@given(st.floats(-10, 10), st.floats(1e-4, 10))
def test_ticks_are_few_and_round_and_enclose_the_range(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    step = ticks[1] - ticks[0]
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low + step * 1e-6
    assert ticks[-1] >= low + span - step * 1e-3
    assert np.diff(ticks) == pytest.approx([step] * (len(ticks) - 1))


def test_ticks_of_a_single_point() -> None:
    assert nice_ticks(0, 0) == [0, 1]


@pytest.mark.parametrize(
    ("value", "text"), [(0.00501, "+0.0050"), (-0.00501, "−0.0050"), (0.00001, "0.0000"), (-0.00001, "0.0000")]
)
def test_signed(value: float, text: str) -> None:
    assert signed(value) == text
