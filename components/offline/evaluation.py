"""Metrics of a bundle on a data frame of events, by the windows, lists and metrics of the evaluator."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from components.contracts import EVENTS
from components.data.later_events import LaterEvents
from components.errors import ContractError
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank_any
from components.evaluation.results import means
from components.params import Params
from components.ragged import Ragged, offsets_of
from components.release.bundle import Bundle
from components.release.outcomes import bundled_models
from components.times import to_micros, with_zone

COLUMNS = ("user_id", "item_id", "timestamp")
MAX_NAMED = 3


def evaluate_frame(
    bundle: Bundle, params: Params, events: pd.DataFrame, start: datetime, end: datetime | None = None
) -> pd.DataFrame:
    """Return a row for the bundle's model and each simple model in it, with n_users and the mean of every metric.

    events: columns user_id, item_id, timestamp and, unless all are the strongest kind, event. Users are those with a
    target event (split.target_events) in start <= timestamp < end; their histories are their events before start. With
    recommend.exclude_seen, products of the history are no targets. A target that the bundle does not know counts as
    missed. The frame should begin well before start, and the model should not have learned from later events.
    Raises ContractError for a frame of another form, or without users in the window.
    """
    later = read_frame(bundle, params, events)
    first, last = to_micros(with_zone(start)), 2**62 if end is None else to_micros(with_zone(end))
    users = later.users_between(first, last)
    users = users.without_seen() if params.recommend.exclude_seen and len(users) else users
    if not len(users):
        raise ContractError(
            f"events: no user has a {' or '.join(params.split.target_events)} of a new product from {start} on; "
            "choose an earlier start"
        )
    ks, section = params.evaluation.ks, params.recommend
    rows = {}
    for name, model in bundled_models(bundle, later.item_ids).items():
        n_items = len(later.item_ids) - 1
        ranked = rank_any(model, users, max(ks), section.exclude_seen, n_items, section.batch_users)
        label = bundle.info.model if name == "champion" else name
        rows[label] = {"n_users": len(users)} | means(per_user(ranked.items, users.ground_truth, ks))
    return pd.DataFrame.from_dict(rows, orient="index")


def read_frame(bundle: Bundle, params: Params, events: pd.DataFrame) -> LaterEvents:
    """Return the frame's events of known kinds, by user and time; products that the bundle does not know come last."""
    missing = [name for name in COLUMNS if name not in events.columns]
    if missing:
        raise ContractError(
            f"events: expected the columns {', '.join(COLUMNS)} and event, missing {', '.join(missing)}"
        )
    weights = bundle.info.weights
    strongest = max(weights, key=lambda name: weights[name])
    kinds = events["event"].astype(object) if "event" in events.columns else pd.Series(strongest, events.index)
    unknown = sorted(set(kinds.dropna().unique()) - set(EVENTS))
    if unknown:
        raise ContractError(f"events: unknown kinds {unknown[:MAX_NAMED]}; expected {', '.join(EVENTS)}")
    times = _times(events["timestamp"])
    keep = kinds.isin(list(weights)) & events["user_id"].notna() & events["item_id"].notna()
    frame = pd.DataFrame({"user": events["user_id"], "item": events["item_id"], "kind": kinds, "at": times})[keep]
    frame["user"], _ = pd.factorize(frame["user"].astype(str), sort=True)
    frame = frame.sort_values(["user", "at"], kind="stable")
    new = sorted(set(frame["item"].astype(str)) - bundle.index.keys())
    item_ids = [*bundle.item_ids, *new]
    index = {name: number for number, name in enumerate(item_ids) if number}
    history = Ragged(
        offsets=offsets_of(np.bincount(frame["user"]) if len(frame) else np.zeros(0, np.int64)),
        item_idx=frame["item"].astype(str).map(index).to_numpy(np.int32),
        timestamp=frame["at"].to_numpy(np.int64),
        event=frame["kind"].map(EVENTS.index).to_numpy(np.int8),
        weight=frame["kind"].map(weights).to_numpy(np.float32),
    )
    is_target = frame["kind"].isin(params.split.target_events).to_numpy(np.bool_)
    return LaterEvents(item_ids, history, is_target, bundle.info.max_history)


def _times(column: Any) -> pd.Series:
    """Return the times in microseconds (UTC); a time without a zone is UTC."""
    try:
        times = pd.to_datetime(column, utc=True).astype("datetime64[us, UTC]")
    except (ValueError, TypeError) as error:
        raise ContractError(f"events: column timestamp: expected times ({str(error)[:100]})") from None
    if times.isna().any():
        raise ContractError(f"events: column timestamp: {int(times.isna().sum())} rows have no time; drop them")
    return times.astype("int64")
