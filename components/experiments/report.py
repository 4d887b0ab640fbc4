"""A picture of an experiment: the difference at the end of each day with its always-valid interval."""

from __future__ import annotations

import numpy as np

from components.evaluation.plots import PlotRow, forest, standalone
from components.experiments.decision import estimates_by_day
from components.experiments.definition import Experiment
from components.experiments.outcomes import Outcomes
from components.times import SECOND_US, to_datetime


def draw_differences(experiment: Experiment, outcomes: Outcomes) -> str:
    """Return an SVG with one row per day and treatment arm; an empty text where no interval is finite yet."""
    rows = []
    for at, estimates in estimates_by_day(experiment, outcomes):
        day = to_datetime(at - SECOND_US).date().isoformat()
        for arm, estimate in zip(experiment.arms[1:], estimates, strict=True):
            if np.isfinite(estimate.low):
                text = f"{estimate.value:+.4g} ({estimate.low:+.4g} to {estimate.high:+.4g})"
                label = day if len(experiment.arms) == 2 else f"{day} {arm.name}"
                role = "challenger" if estimate.sign > 0 else "champion" if estimate.sign < 0 else "candidate"
                interval = (estimate.value, estimate.low, estimate.high)
                rows.append(PlotRow(label, role, *interval, text, strong=bool(estimate.sign)))
    if not rows:
        return ""
    control = experiment.arms[0].name
    title = f"{experiment.name}: {experiment.metric} per user, difference from {control}"
    return standalone(forest(rows, title, f"{len(rows)} days; an interval that excludes 0 is a verdict"))
