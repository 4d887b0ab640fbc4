"""User histories as a model reads them, from requests, from the event store, or from another bundle's user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from components.contracts import EVENTS, Users
from components.ragged import Ragged, offsets_of
from components.release.bundle import Bundle
from components.serving.schemas import HistoryEvent
from components.serving.storage.commit_queue import Row
from components.serving.storage.event_store import StoredEvent
from components.times import to_micros


class HistoryRow(NamedTuple):
    """One event of a history; at: us, None where the request gave no time."""

    item_id: str
    event: str | None
    at: int | None


def to_rows(
    history: Sequence[HistoryEvent] | Sequence[StoredEvent], context_item: str | None = None
) -> list[HistoryRow]:
    """Return the events as rows, then a view of `context_item`, the product on whose page the list is shown."""
    rows = [
        HistoryRow(e.item_id, e.event, e.at)
        if isinstance(e, StoredEvent)
        else HistoryRow(e.item_id, e.event, None if e.timestamp is None else to_micros(e.timestamp))
        for e in history
    ]
    if context_item is not None:
        rows.append(HistoryRow(context_item, "view", rows[-1].at if rows else None))
    return rows


def build_user(bundle: Bundle, rows: Sequence[HistoryRow]) -> Users:
    """Return one user with the events that the model learns from: known products, newest max_history, oldest first."""
    weights = bundle.info.weights
    strongest = max(weights, key=lambda name: weights[name])
    known = [(row.at, bundle.index.get(row.item_id, 0), row.event or strongest) for row in rows]
    known = [row for row in known if row[1] and row[2] in weights]
    if known and known[0][0] is not None:
        known.sort(key=lambda row: row[0] or 0)
    known = known[-bundle.info.max_history :]
    now = max(bundle.info.validation_end, bundle.info.learned_until)
    times = [now if at is None else at for at, _, _ in known]
    history = Ragged(
        offsets=np.array([0, len(known)], dtype=np.int64),
        item_idx=np.array([item for _, item, _ in known], dtype=np.int32),
        timestamp=np.array(times, dtype=np.int64),
        event=np.array([EVENTS.index(name) for _, _, name in known], dtype=np.int8),
        weight=np.array([weights[name] for _, _, name in known], dtype=np.float32),
    )
    return Users(np.zeros(1, dtype=np.int32), history, max([now, *times]) + 1)


def build_users(bundle: Bundle, histories: Sequence[Sequence[Row]]) -> Users:
    """Return the users that `build_user` makes of EventStore.item_histories, in one block, as of the latest event."""
    weights, index = bundle.info.weights, bundle.index
    codes = {name: EVENTS.index(name) for name in weights}
    by_code = np.array([weights.get(name, 0.0) for name in EVENTS], np.float32)
    items = [index.get(item_id, 0) for rows in histories for _, item_id, _ in rows]
    event = np.array([codes.get(name, -1) for rows in histories for _, _, name in rows], np.int8)
    history = Ragged(
        offsets=offsets_of(np.array([len(rows) for rows in histories])),
        item_idx=np.array(items, np.int32),
        timestamp=np.array([at for rows in histories for at, _, _ in rows], np.int64),
        event=event,
        weight=by_code[event],
    )
    history = history.filter((history.item_idx > 0) & (event >= 0))
    now = max(bundle.info.validation_end, bundle.info.learned_until, int(history.timestamp.max(initial=0)))
    return Users(np.zeros(len(histories), np.int32), history, now + 1)


def rows_of_user(bundle: Bundle, user: Users) -> list[HistoryRow]:
    """Return the history of a user built by `bundle` as rows, from which another bundle builds its own user."""
    history = user.history
    columns = zip(history.item_idx.tolist(), history.event.tolist(), history.timestamp.tolist(), strict=True)
    return [HistoryRow(bundle.item_ids[item], EVENTS[event], at) for item, event, at in columns]
