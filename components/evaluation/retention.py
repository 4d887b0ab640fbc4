"""Retention: whether users come back. It is the shop's, under the lists that it showed, the same for every model."""

from __future__ import annotations

import numpy as np

from components.contracts import Interactions, UserRetention
from components.times import DAY_US

RETENTION_DAYS = 7


def measure_retention(events: Interactions, end: int, days: int = RETENTION_DAYS) -> UserRetention | None:
    """Return the share of users who come back on a later day (UTC) within `days` days of their first event of a window.

    events: of the window. end: of the window, us. Users whose first event is less than `days` days before the end are
    not counted, nor are anonymous ones: whether they come back is not known. None where no user is left. What a model
    does to retention shows only in an A/B test with the metric `retention`.
    """
    known = events.user_idx > 0
    user, at = events.user_idx[known], events.timestamp[known]
    first = np.full(events.n_users + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, user, at)
    is_later = (at // DAY_US > first[user] // DAY_US) & (at < first[user] + days * DAY_US)
    came_back = np.zeros(events.n_users + 1, np.bool_)
    came_back[user[is_later]] = True
    cohort = first <= end - days * DAY_US
    n_users = int(np.count_nonzero(cohort))
    if not n_users:
        return None
    return UserRetention(days=days, n_users=n_users, share=float(came_back[cohort].mean()))
