"""The events of a period from the snapshot, cut into users with histories and targets at any time within it.

Used to measure models after they went live; the stage `split` writes fixed windows for training instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.contracts import BoolArray, Users
from components.data.split import create_tables
from components.params import SplitParams
from components.ragged import Ragged, offsets_of

EVENTS_SQL = """
WITH weighted AS (SELECT * FROM known JOIN weights USING (code) WHERE user_idx > 0 AND timestamp < $2),
active AS (SELECT DISTINCT user_idx FROM weighted WHERE target AND timestamp >= $1)
SELECT user_idx, item_idx, timestamp, code AS event, weight, target FROM weighted SEMI JOIN active USING (user_idx)
QUALIFY timestamp >= $1 OR row_number() OVER (
    PARTITION BY user_idx, timestamp >= $1 ORDER BY timestamp DESC, seq DESC) <= $3
ORDER BY user_idx, timestamp, seq
"""


@dataclass(frozen=True)
class LaterEvents:
    """The users with targets in a period: their newest events before it, and all within it."""

    item_ids: list[str]  # (n_items + 1,), "" at 0: the snapshot's products, as the stage `split` numbers them
    events: Ragged  # (n_users) rows, by the order of their ids
    is_target: BoolArray  # (n_events,)
    max_history: int

    def users_between(self, start: int, end: int) -> Users:
        """Return the users with targets in start <= timestamp < end (us), with their histories before start.

        The users are unknown (user_idx 0), as visitors are to a model that was trained without them.
        """
        times = self.events.timestamp
        lengths = np.diff(offsets_of(times < start)[self.events.offsets])  # events before start, the first of each row
        recent = np.minimum(lengths, self.max_history)
        history = self.events.gather(self.events.offsets[:-1] + lengths - recent, recent)
        targets = self.events.filter(self.is_target & (times >= start) & (times < end))
        rows = np.flatnonzero(targets.lengths)
        return Users(np.zeros(len(rows), np.int32), history.take(rows), start, targets.take(rows))


@contextmanager
def later_events(snapshot: Path, split: SplitParams, memory_gib: float) -> Iterator[Callable[[int, int], LaterEvents]]:
    """Yield a function that returns the events of the users who have a target in start <= timestamp < end (us, UTC).

    Weights and kinds of targets are those of the split. Memory: split.max_history events for each of these users, and
    the events of the period.
    """
    import duckdb

    with duckdb.connect(config={"memory_limit": f"{memory_gib}GiB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        create_tables(connection, snapshot, split)
        ids = connection.execute("SELECT item_id FROM items ORDER BY item_idx").fetchnumpy()["item_id"]
        item_ids = ["", *map(str, ids)]

        def read(start: int, end: int) -> LaterEvents:
            found: dict[str, Any] = connection.execute(EVENTS_SQL, [start, end, split.max_history]).fetchnumpy()
            _, lengths = np.unique(found["user_idx"], return_counts=True)
            columns = (found[name] for name in ("item_idx", "timestamp", "event", "weight"))
            events = Ragged(offsets_of(lengths), *columns)
            return LaterEvents(item_ids, events, found["target"].astype(np.bool_), split.max_history)

        yield read
