"""Models fitted on the small shop, and vectors of its products."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from components.contracts import Catalogue, FloatArray, Interactions, Recommender
from components.data.later_events import LaterEvents, later_events
from components.monitoring.prediction_drift import users_of_window
from components.params import Params
from components.recommenders.factory import create
from components.times import to_micros
from tests.components.monitoring.support import PER_TOP, SHIFT, TOPS


def read(snapshot: Path, params: Params, end: datetime, days: float) -> LaterEvents:
    """Return the events of the users with a target in the `days` before end."""
    with later_events(snapshot, params.split, 1) as events:
        return events(to_micros(end - timedelta(days=days)), to_micros(end))


def fit(name: str, snapshot: Path, params: Params) -> tuple[Recommender, Catalogue]:
    """Return the model, fitted on the events before SHIFT, and the products."""
    found = read(snapshot, params, SHIFT, 60)
    events, n_items = found.events, len(found.item_ids) - 1
    interactions = Interactions(
        user_idx=(events.rows + 1).astype(np.int32),
        item_idx=events.item_idx,
        timestamp=events.timestamp,
        event=events.event,
        weight=events.weight,
        n_users=len(events),
        n_items=n_items,
        now=to_micros(SHIFT),
    )
    texts = [[""] * (n_items + 1) for _ in range(5)]
    items = Catalogue(found.item_ids, *texts, price=np.ones(n_items + 1, np.float32))
    return create(name, params).fit(interactions, items, users_of_window(found, SHIFT, 14)), items


def vectors_of(items: Catalogue) -> FloatArray:
    """Return (n_items + 1, 6) unit vectors: the category of each product."""
    vectors = np.zeros((len(items) + 1, len(TOPS)), np.float32)
    for row, name in enumerate(items.item_id[1:], 1):
        vectors[row, int(name.removeprefix("sku-")) // PER_TOP] = 1
    return vectors
