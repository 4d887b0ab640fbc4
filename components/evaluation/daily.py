"""Quality by day: the primary metric of models for the users with targets on a day, with histories before that day.

One value per user first, then the mean and its standard error. No user id leaves this module.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from components.contracts import FloatArray, Recommender, Users
from components.data.later_events import LaterEvents
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank_any
from components.params import Params
from components.times import DAY_US


@dataclass(frozen=True)
class Mean:
    """A mean over users with its standard error; both None without users, the error None with one user."""

    mean: float | None
    error: float | None


@dataclass(frozen=True)
class DayScore:
    """One model on one day: its own mean, and the mean per-user difference, first model minus this one."""

    n_users: int
    own: Mean
    lead: Mean | None  # None for the first model


def days_between(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of start <= time < end (us) that lie in one day (UTC), oldest first."""
    while start < end:
        stop = min((start // DAY_US + 1) * DAY_US, end)
        yield start, stop
        start = stop


def score_day(
    models: Mapping[str, Recommender], events: LaterEvents, start: int, end: int, params: Params
) -> dict[str, DayScore]:
    """Return each model's score for the users with targets in start <= time < end (us), at most one day.

    models: adapted to events.item_ids; the first is the one that the others are compared with. Of more than
    history.max_users users, so many are measured, evenly spread. A target that the model cannot list counts as missed.
    """
    users = events.users_between(start, end)
    if params.recommend.exclude_seen and len(users):
        users = users.without_seen()
    if len(users):
        users = users.subsample(params.history.max_users)
    values = {name: _values(model, users, events, params) for name, model in models.items()}
    first = next(iter(values))
    return {
        name: DayScore(len(users), mean_of(own), None if name == first else mean_of(values[first] - own))
        for name, own in values.items()
    }


def mean_of(values: FloatArray) -> Mean:
    """Return the mean of (n_users,) values and its standard error, sd / sqrt(n) with n - 1 degrees of freedom."""
    n = len(values)
    wide = values.astype(np.float64)
    error = float(wide.std(ddof=1)) / math.sqrt(n) if n > 1 else None
    return Mean(float(wide.mean()) if n else None, error)


def _values(model: Recommender, users: Users, events: LaterEvents, params: Params) -> FloatArray:
    """Return (n_users,) values of the primary metric."""
    primary = params.evaluation.primary
    if not len(users):
        return np.zeros(0, np.float32)
    k, section = int(primary.rsplit("_", 1)[1]), params.recommend
    lists = rank_any(model, users, k, section.exclude_seen, len(events.item_ids) - 1, section.batch_users)
    return per_user(lists.items, users.ground_truth, [k])[primary]
