"""An experiment for people: the difference at the end of each day, with the interval that holds at all times."""

from __future__ import annotations

import numpy as np

from components.evaluation.plots import Estimate, forest, standalone
from components.experiments.decision import by_day
from components.experiments.definition import Experiment
from components.experiments.outcomes import Outcomes
from components.times import SECOND_US, to_datetime


def picture(experiment: Experiment, outcomes: Outcomes) -> str:
    """Return an SVG: a line a day and further arm; "" where there is nothing to show yet."""
    rows = []
    for at, estimates in by_day(experiment, outcomes):
        day = to_datetime(at - SECOND_US).date().isoformat()
        for arm, told in zip(experiment.arms[1:], estimates, strict=True):
            if np.isfinite(told.low):
                text = f"{told.value:+.4g} ({told.low:+.4g} to {told.high:+.4g})"
                label = day if len(experiment.arms) == 2 else f"{day} {arm.name}"
                role = "challenger" if told.side > 0 else "champion" if told.side < 0 else "candidate"
                rows.append(Estimate(label, role, told.value, told.low, told.high, text, strong=bool(told.side)))
    if not rows:
        return ""
    control = experiment.arms[0].name
    title = f"{experiment.name}: {experiment.metric} per user, less that of {control}"
    return standalone(forest(rows, title, f"{len(rows)} days; an interval that leaves out 0 is a verdict"))
