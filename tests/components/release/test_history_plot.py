"""The picture of the history: lines for models, shaded expectations, starts of deployments."""

import math
from xml.etree import ElementTree

import pytest

from components.release.history import DayOutcome, Served
from components.release.history_plot import plot_history
from components.release.history_summary import summarise
from tests.components.release.outcome_rows import outcome, served, simple

ROWS = [
    *(outcome(day, 0.30, window="expected") for day in range(4)),
    *(outcome(day, 0.20) for day in range(4, 8)),
    *(simple(day, 0.10, 0.1) for day in range(4, 8)),
    outcome(8, None),
]


def draw(periods: list[Served], rows: list[DayOutcome]) -> ElementTree.Element:
    svg = plot_history(periods, summarise(periods, rows, "ndcg_at_10", 0.95), rows)
    return ElementTree.fromstring(svg)


def texts(svg: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text")]


def heights(svg: ElementTree.Element, role: str) -> list[str]:
    dots = [e for e in svg.iter("{http://www.w3.org/2000/svg}circle") if role in (e.get("class") or "")]
    return [str(dot.get("cy")) for dot in dots]


def test_each_model_has_a_point_for_each_day_with_users() -> None:
    """The axis ends at 0.4, above the expectation's 0.31: 0.20 lies in the middle between 24 and 300 pixels."""
    svg = draw([served(1, 4, 9)], ROWS)
    assert heights(svg, "champion") == ["162.0"] * 4
    assert heights(svg, "baseline") == ["231.0"] * 4
    assert {"champion", "popularity", "v1", "2026-01-05"} <= set(texts(svg))


def test_the_expectation_spans_the_deployment_at_its_interval() -> None:
    (band,) = draw([served(1, 4, 9)], ROWS).iter("{http://www.w3.org/2000/svg}rect")
    assert (band.get("x"), band.get("width")) == ("60.0", "570.0")
    reach = 1.959964 * 0.1 / math.sqrt(400)
    assert float(band.get("y") or 0) == pytest.approx(300 - 276 * (0.30 + reach) / 0.4, abs=0.06)
    assert float(band.get("height") or 0) == pytest.approx(276 * 2 * reach / 0.4, abs=0.06)


def test_promotions_and_rollbacks_are_marked_and_refreshes_are_not() -> None:
    periods = [served(1, 4, 6), served(2, 6, 7, is_refresh=True), served(3, 7, 9, version=1, action="rollback")]
    marks = texts(draw(periods, ROWS))
    assert {"v1", "back to v1"} <= set(marks)
    assert "v2" not in marks


def test_without_scored_days_the_axes_are_drawn() -> None:
    assert heights(draw([served(1, 4, 4.5)], []), "champion") == []
    assert heights(draw([], []), "champion") == []


def test_the_same_history_gives_the_same_bytes() -> None:
    periods = [served(1, 4, 9)]
    history = summarise(periods, ROWS, "ndcg_at_10", 0.95)
    assert plot_history(periods, history, ROWS) == plot_history(periods, history, ROWS)
