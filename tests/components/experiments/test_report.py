"""The difference, day by day, as a picture."""

from components.experiments.definition import Experiment
from components.experiments.report import draw_differences

from .support import make_outcomes


def test_a_picture_has_a_row_per_day(experiment: Experiment) -> None:
    svg = draw_differences(experiment, make_outcomes(4000, (0.1, 0.2)))
    assert svg.startswith("<svg")
    assert "2026-03-10" in svg
    assert draw_differences(experiment, make_outcomes(0, (0.1, 0.1))) == ""
