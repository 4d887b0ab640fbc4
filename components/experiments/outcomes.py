"""One outcome per user of an experiment, from the exposure files and the events that followed."""

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

COVARIATE_DAYS = 30  # before a user's first exposure: events there are the covariate of CUPED
METRIC_SQL = {
    "conversion": "coalesce(max((e.event = 'purchase')::int), 0)",
    "clicks": "count(*) FILTER (e.event IN ('click', 'view'))",
    # came back: an event a day or more after the first list
    "retention": f"coalesce(max((e.at >= s.first + {DAY_US})::int), 0)",
    "value": "coalesce(sum(e.price * coalesce(e.quantity, 1)) FILTER (e.event = 'purchase'), 0)",
}
QUERY = """
WITH exposed AS (
    SELECT user_id, min(epoch_us(timestamp)) AS first, min(arm) AS arm, count(DISTINCT arm) AS arms
    FROM read_parquet($files, union_by_name = true) WHERE experiment = $name AND user_id IS NOT NULL GROUP BY user_id)
SELECT s.arm, s.arms, s.first + $window AS ended_at, {value}::double AS outcome,
    (SELECT count(*) FROM events b WHERE b.user_id = s.user_id AND b.at < s.first AND b.at >= s.first - $before)::double
FROM exposed s LEFT JOIN events e ON e.user_id = s.user_id AND e.at >= s.first AND e.at < s.first + $window
GROUP BY s.user_id, s.arm, s.arms, s.first ORDER BY ended_at, s.user_id
"""


@dataclass(frozen=True)
class Outcomes:
    """One row per user whose window is over, in the order in which the windows ended."""

    arm: NDArray[np.int64]  # (n,) index into the experiment's arms
    outcome: Numbers  # (n,)
    covariate: Numbers  # (n,) number of events before the first exposure
    ended_at: NDArray[np.int64]  # (n,) us, end of the user's window, ascending
    waiting: int  # users whose window is not over yet
    mixed: int  # users who were exposed to several arms, and are left out

    def until(self, at: int) -> Outcomes:
        """Return the outcomes known at a time (us)."""
        n = int(np.searchsorted(self.ended_at, at, "right"))
        return Outcomes(self.arm[:n], self.outcome[:n], self.covariate[:n], self.ended_at[:n], 0, self.mixed)


def read_outcomes(files: Sequence[Path], events: pa.Table, experiment: Experiment, now: datetime) -> Outcomes:
    """Return the outcomes of an experiment at `now`.

    files: Parquet files of exposures. events: columns user_id, at (us), item_id, event, quantity, price.
    """
    import duckdb

    names = {arm.name: n for n, arm in enumerate(experiment.arms)}
    window = round(experiment.window_hours * HOUR_US)
    rows: list[tuple[str, int, int, float, float]] = []
    if files:
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            database.register("events", events)
            values = {
                "files": [str(file) for file in files],
                "name": experiment.name,
                "window": window,
                "before": COVARIATE_DAYS * DAY_US,
            }
            rows = database.execute(QUERY.format(value=METRIC_SQL[experiment.metric]), values).fetchall()
    at = to_micros(now)
    assigned = [row for row in rows if row[0] in names and row[1] == 1]
    over = [row for row in assigned if row[2] <= at]
    return Outcomes(
        arm=np.array([names[row[0]] for row in over], np.int64),
        outcome=np.array([row[3] for row in over], np.float64),
        covariate=np.array([row[4] for row in over], np.float64),
        ended_at=np.array([row[2] for row in over], np.int64),
        waiting=len(assigned) - len(over),
        mixed=sum(row[1] > 1 for row in rows),
    )
