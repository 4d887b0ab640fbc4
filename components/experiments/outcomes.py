"""What came of each user: from what was shown (exposures) and what happened then (events), each user counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.experiments.confidence_sequence import Numbers
from components.experiments.definition import Experiment
from components.times import DAY_US, HOUR_US, to_micros

BEFORE_DAYS = 30  # of a user's events before the first list, that CUPED looks at
VALUES = {
    "conversion": "coalesce(max((e.event = 'purchase')::int), 0)",
    "clicks": "count(*) FILTER (e.event IN ('click', 'view'))",
    "value": "coalesce(sum(e.price * coalesce(e.quantity, 1)) FILTER (e.event = 'purchase'), 0)",
}
QUERY = """
WITH shown AS (
    SELECT user_id, min(epoch_us(timestamp)) AS first, min(arm) AS arm, count(DISTINCT arm) AS arms
    FROM read_parquet($files, union_by_name = true) WHERE experiment = $name AND user_id IS NOT NULL GROUP BY user_id)
SELECT s.arm, s.arms, s.first + $window AS done, {value}::double AS outcome,
    (SELECT count(*) FROM events b WHERE b.user_id = s.user_id AND b.at < s.first AND b.at >= s.first - $before)::double
FROM shown s LEFT JOIN events e ON e.user_id = s.user_id AND e.at >= s.first AND e.at < s.first + $window
GROUP BY s.user_id, s.arm, s.arms, s.first ORDER BY done, s.user_id
"""


@dataclass(frozen=True)
class Outcomes:
    """One row per user whose window is over, in the order in which the windows ended."""

    arm: NDArray[np.int64]  # (n,) place in the experiment's arms
    outcome: Numbers  # (n,)
    before: Numbers  # (n,) events before the first list
    done: NDArray[np.int64]  # (n,) us
    waiting: int  # users whose window is not over yet
    mixed: int  # users who saw lists of several arms: left out

    def until(self, at: int) -> Outcomes:
        """Return what was known at a time (us)."""
        n = int(np.searchsorted(self.done, at, "right"))
        return Outcomes(self.arm[:n], self.outcome[:n], self.before[:n], self.done[:n], 0, self.mixed)


def read_outcomes(files: Sequence[Path], events: pa.Table, experiment: Experiment, now: datetime) -> Outcomes:
    """Return the outcomes of an experiment.

    files: exposure files. events: user_id, at (us), item_id, event, quantity, price.
    """
    import duckdb

    names = {arm.name: n for n, arm in enumerate(experiment.arms)}
    window = round(experiment.window_hours * HOUR_US)
    rows: list[tuple[str, int, int, float, float]] = []
    if files:
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            database.register("events", events)
            asked = {
                "files": [str(file) for file in files],
                "name": experiment.name,
                "window": window,
                "before": BEFORE_DAYS * DAY_US,
            }
            rows = database.execute(QUERY.format(value=VALUES[experiment.metric]), asked).fetchall()
    at = to_micros(now)
    mine = [row for row in rows if row[0] in names and row[1] == 1]
    over = [row for row in mine if row[2] <= at]
    return Outcomes(
        arm=np.array([names[row[0]] for row in over], np.int64),
        outcome=np.array([row[3] for row in over], np.float64),
        before=np.array([row[4] for row in over], np.float64),
        done=np.array([row[2] for row in over], np.int64),
        waiting=len(mine) - len(over),
        mixed=sum(row[1] > 1 for row in rows),
    )
