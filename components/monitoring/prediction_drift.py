"""Drift of predictions: the champion's lists for the users of the newest days, and for those of its reference window.

One model and two samples of users, each with the events of its own window alone as history: so both windows mean the
same, and what differs is what the shop's users do. A list is the mean unit vector of its products, by the champion's
own product vectors. The distance is that between the means of all lists, 0 to 2; its limit is
`drift.max_prediction_distance`, or the distance that chance explains between samples of these users.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from components.contracts import FloatArray, Recommender, Users
from components.data.later_events import LaterEvents
from components.evaluation.protocol import rank_any
from components.monitoring.text_drift import Shift, chance_distance, mean_distance
from components.params import Params
from components.times import to_micros

NAME = "predicted_items"
MAX_USERS = 500  # of a window, evenly spread; bounds time
MIN_USERS = 30  # below, a window is not compared
K = 10  # products of a list


def users_of_window(events: LaterEvents, end: datetime, days: float) -> Users:
    """Return at most MAX_USERS users with a target in the `days` before end, with their events of these days."""
    start, stop = to_micros(end - timedelta(days=days)), to_micros(end)
    inside = (events.events.timestamp >= start) & (events.events.timestamp < stop)
    active = np.flatnonzero(events.events.filter(inside & events.is_target).lengths)
    history = events.events.filter(inside).take(active).newest(events.max_history)
    users = Users(np.zeros(len(active), np.int32), history, stop)
    return users.subsample(MAX_USERS) if len(users) else users


def compare_lists(model: Recommender, vectors: FloatArray, before: Users, now: Users, params: Params) -> Shift:
    """Compare the model's lists for the users of both windows.

    vectors: (n_items + 1, dim) unit vectors by the item_idx of the model and of the histories; 0 where there is none.
    """
    limit = params.drift.max_prediction_distance
    if min(len(before), len(now)) < MIN_USERS:
        why = f"there are {len(before)} users in the reference window and {len(now)} now, needed are {MIN_USERS}"
        return Shift(NAME, None, limit, why)
    a, b = (_list_vectors(model, vectors, users, params) for users in (before, now))
    return Shift(NAME, mean_distance(a, b), max(limit, chance_distance(a, b, params.seed)), "")


def _list_vectors(model: Recommender, vectors: FloatArray, users: Users, params: Params) -> FloatArray:
    """Return (n_users, dim) the mean vector of each user's list."""
    section = params.recommend
    items = rank_any(model, users, K, section.exclude_seen, len(vectors) - 1, section.batch_users).items
    n_listed = np.maximum((items > 0).sum(axis=1), 1)
    means: FloatArray = (vectors[items].sum(axis=1) / n_listed[:, None]).astype(np.float32)  # item 0 has no vector
    return means
