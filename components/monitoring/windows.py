"""A sample of the events of a window, with columns that can be compared with those of another window.

Each row is an event of a user; impressions, which the shop creates, are left out:

    event          type of the event
    category       top level of the item's category
    language       of the item
    price_log      log(1 + price) of the item
    hour, weekday  of the event, UTC
    user_activity  log of the user's number of events in the window over the mean; volume has a separate alarm
    item_new       "new" where the item had no event in the look-back, else "known"
    taste          share of the user's look-back events in this category; null without look-back events

The look-back has the length of the window and ends where it starts, so columns have the same meaning in every window.
The popularity of an item is no column: the ranks of near-equal items change by chance, and since all users of a window
share this effect, comparing halves of users does not estimate it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.contracts import IntArray, Record
from components.data.partitions import read_table
from components.errors import ContractError
from components.io import parse_record
from components.times import DAY_S, to_naive_utc

if TYPE_CHECKING:
    import pyarrow as pa

CATEGORIES = ("event", "category", "language", "hour", "weekday", "item_new")
NUMBERS = ("price_log", "user_activity", "taste")
COLUMNS = (*CATEGORIES, *NUMBERS)
LOOK_BACK = ("item_new", "taste")  # need a look-back that the history covers
LENGTH = ("user_activity", *LOOK_BACK)  # depend on the length of the window
MIN_COVERAGE = 0.9  # share of a window or look-back that the history must cover
META = b"carousel.window"

QUERY = """
WITH past AS (FROM events WHERE timestamp < $1),
sold AS (SELECT DISTINCT item_id FROM past),
active AS (SELECT user_id, count(*) AS n FROM events WHERE timestamp >= $1 AND user_id IS NOT NULL GROUP BY user_id),
mean AS (SELECT avg(n) AS n FROM active),
liked AS (
    SELECT user_id, top, count(*) AS n, sum(count(*)) OVER (PARTITION BY user_id) AS total
    FROM past JOIN items USING (item_id) WHERE user_id IS NOT NULL AND top IS NOT NULL GROUP BY user_id, top
),
totals AS (SELECT DISTINCT user_id, total FROM liked)
SELECT e.user_id, e.timestamp::DATE AS day, e.event, i.top AS category, i.language,
    strftime(e.timestamp, '%H') AS hour, strftime(e.timestamp, '%a') AS weekday,
    CASE WHEN s.item_id IS NULL THEN 'new' ELSE 'known' END AS item_new,
    ln(1 + i.price) AS price_log,
    ln(a.n / mean.n) AS user_activity,
    CASE WHEN i.top IS NOT NULL THEN coalesce(l.n, 0)::DOUBLE / t.total::DOUBLE END AS taste
FROM picked JOIN events e USING (row) CROSS JOIN mean
LEFT JOIN items i USING (item_id)
LEFT JOIN sold s USING (item_id)
LEFT JOIN active a ON a.user_id = e.user_id
LEFT JOIN totals t ON t.user_id = e.user_id
LEFT JOIN liked l ON l.user_id = e.user_id AND l.top = i.top
ORDER BY row
"""


class Window(Record):
    """The window of a sample; stored in the metadata of its Parquet file."""

    start: str  # ISO
    end: str  # ISO; the window ends before it
    days: float
    n_events: int
    events_per_day: float
    history_days: float  # from the first event in look-back or window to the end

    def is_covered(self) -> bool:
        """Return whether the history covers the window."""
        return self.history_days >= MIN_COVERAGE * self.days

    def covers_look_back(self) -> bool:
        """Return whether the history covers the window and the look-back."""
        return self.history_days >= (1 + MIN_COVERAGE) * self.days


@dataclass(frozen=True)
class Sample:
    """Sampled rows in time order, without user ids."""

    rows: pa.Table  # COLUMNS; categories are strings, numbers float64
    window: Window
    newest: datetime | None = None  # time of the window's last event; None where it is empty or was loaded from a file
    user: IntArray | None = None  # (n_rows,) an arbitrary number per user, to group rows; never saved
    day: IntArray | None = None  # (n_rows,) an arbitrary number per day, likewise


def sample_window(snapshot: Path, end: datetime, days: float, n: int, seed: int, memory_gib: float) -> Sample:
    """Return at most n events of the `days` before `end`, drawn without replacement."""
    import duckdb
    import pyarrow as pa

    start = end - timedelta(days=days)
    events = _read_events(snapshot, start - timedelta(days=days), end)
    times = events["timestamp"].to_numpy().astype("datetime64[us]")
    inside = np.flatnonzero(times >= np.datetime64(to_naive_utc(start), "us"))
    chosen = np.random.default_rng(seed).choice(len(inside), min(n, len(inside)), replace=False)
    with duckdb.connect(config={"memory_limit": f"{memory_gib}GiB"}) as connection:
        connection.register("events", events)
        connection.register("items", _read_items(snapshot))
        connection.register("picked", pa.table({"row": np.sort(inside[chosen])}))
        rows = connection.execute(QUERY, [to_naive_utc(start)]).to_arrow_table()
    return Sample(
        rows=rows.select(COLUMNS),
        window=_window(times, len(inside), start, end, days),
        newest=times[inside].max().item().replace(tzinfo=UTC) if len(inside) else None,
        user=_groups(rows["user_id"]),
        day=_groups(rows["day"]),
    )


def save(sample: Sample, path: Path) -> None:
    """Write the rows and their window; the same sample gives the same bytes."""
    import pyarrow.parquet as pq

    table = sample.rows.replace_schema_metadata({META: sample.window.model_dump_json().encode()})
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def load(path: Path) -> Sample:
    """Return what `save` wrote, with any columns; raises ContractError for a damaged or other file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        window = parse_record((table.schema.metadata or {}).get(META, b""), Window, "window", path.name)
    except (pa.ArrowException, OSError, ContractError) as error:
        raise ContractError(
            f"{path.name}: expected a drift reference with the metadata {META.decode()!r}, got {str(error)[:200]!r}; "
            "fetch the champion's bundle again"
        ) from None
    return Sample(table.replace_schema_metadata(None), window)


def _read_events(snapshot: Path, start: datetime, end: datetime) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    events = read_table(snapshot, "events", ("user_id", "item_id", "timestamp", "event"), start, end)
    events = events.filter(pc.not_equal(events["event"], "impression"))
    return events.append_column("row", pa.array(np.arange(events.num_rows)))


def _read_items(snapshot: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    items = read_table(snapshot, "products", ("item_id", "category", "language", "price"))
    top = pc.utf8_trim_whitespace(pc.replace_substring_regex(items["category"].cast(pa.string()), ">.*", ""))
    return items.drop_columns("category").append_column("top", pc.if_else(pc.equal(top, ""), None, top))


def _window(times: np.ndarray, n: int, start: datetime, end: datetime, days: float) -> Window:
    first = times.min().item().replace(tzinfo=UTC) if len(times) else end
    history = (end - first).total_seconds() / DAY_S
    covered = min(days, max(history, 1.0))
    return Window(
        start=start.isoformat(),
        end=end.isoformat(),
        days=days,
        n_events=n,
        events_per_day=n / covered,
        history_days=history,
    )


def _groups(values: pa.ChunkedArray) -> IntArray:
    """Return a number for each user or day; each anonymous event gets its own."""
    import pyarrow.compute as pc

    codes = pc.dictionary_encode(values.combine_chunks()).indices.fill_null(-1).to_numpy(zero_copy_only=False)
    groups: IntArray = np.where(codes < 0, codes.max(initial=-1) + 1 + np.arange(len(codes)), codes).astype(np.int32)
    return groups
