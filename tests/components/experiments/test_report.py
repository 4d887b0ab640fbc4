"""The difference, day by day, as a picture."""

from components.experiments.definition import Experiment
from components.experiments.report import picture

from .test_decision import outcomes


def test_a_picture_has_a_line_a_day(experiment: Experiment) -> None:
    svg = picture(experiment, outcomes(4000, (0.1, 0.2)))
    assert svg.startswith("<svg")
    assert "2026-03-10" in svg
    assert picture(experiment, outcomes(0, (0.1, 0.1))) == ""
