"""The booster on a shop that has hardly sold anything at first."""

import numpy as np

from components.applications.inventory.model import ModelSettings, fit_model
from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import NEVER
from components.times import DAY_US


def test_periods_before_the_first_sales_are_not_learned_from() -> None:
    lines = np.zeros((20, 30), np.float32)
    lines[:, 15:] = 3  # nothing was sold for half of the time: a mean over no product would be NaN
    zero = np.zeros_like(lines)
    panel = Panel(
        [f"p{n}" for n in range(20)], lines, lines, lines, zero, zero, np.full(lines.shape, NEVER, np.int32),
        np.arange(30, dtype=np.int64) * 7 * DAY_US, 7,
    )  # fmt: skip
    model = fit_model(panel, 2, ModelSettings(n_trees=5, max_rows=10_000, seed=0))
    found = model.predict(panel, 30, np.arange(20))
    assert np.isfinite(found).all()
    assert (np.abs(found - 3) < 1.5).all()
