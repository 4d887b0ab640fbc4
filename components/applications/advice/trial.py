"""A trial of a drafted overlay: its tables are read as `ingest` reads them, and what they hold decides the rest."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.applications.advice.draft import Draft
from components.contracts import EVENTS
from components.data.partitions import partitions
from components.data.quality import DUPLICATE_RULE, UNKNOWN_ITEM_RULE, TableQuality
from components.data.snapshot import read_snapshot_info, take_snapshot
from components.data.sql import quote_text, read_parquet
from components.errors import ContractError
from components.params import DataParams

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LIVE_HOURS = 48.0  # age of the newest event up to which a shop is seen as of now
WINDOWS_DAYS = (7, 14, 30, 60, 90, 180)
ENOUGH_USERS = 300  # users with a target in a window from which no longer one is needed
FEW_USERS = 100  # as gate.min_users: below it, the verdict is `not enough evidence`
MAX_HELD_OUT = 0.5  # share of the events that validation and test may take
REPEATS = 0.1  # share of the targets that the user had before, from which seen products are recommended
WEIGHTS = {"view": 0.3, "click": 0.3, "cart": 0.7, "purchase": 1.0}
NO_LIMIT = 1.0


@dataclass
class Facts:
    """What the tables of the draft hold."""

    qualities: dict[str, TableQuality]
    kinds: dict[str, int]  # events of each kind
    first: datetime | None = None
    newest: datetime | None = None
    n_users: int = 0
    n_products: int = 0
    anonymous_share: float = 0.0  # of the events
    windows: tuple[int, int] = (14, 14)  # days of validation and test
    window_users: tuple[int, int] = (0, 0)  # known users with a target in validation and test
    targets: list[str] = field(default_factory=list)
    repeat_share: float = 0.0  # of the targets of the test window that their user had before
    chinese_share: float = 0.0  # of the titles
    snapshot: Path = Path()  # of the trial

    def bad_share(self, table: str) -> float:
        """Return the share of a table's records that break a rule, apart from unknown products."""
        return self._share(table, unknown=False)

    def unknown_share(self, table: str) -> float:
        """Return the share of a table's records that name a product that is in no table of products."""
        return self._share(table, unknown=True)

    def _share(self, table: str, unknown: bool) -> float:
        quality = self.qualities.get(table)
        if quality is None:
            return 0.0
        rows = quality.rows.read - quality.rows.filtered - quality.rows.empty
        broken = sum(
            n
            for rule, n in quality.rules.items()
            if rule != DUPLICATE_RULE and rule.endswith(UNKNOWN_ITEM_RULE) == unknown
        )
        return broken / max(rows, 1)


def try_draft(draft: Draft, data: dict[str, Any], root: Path, folder: Path, now: datetime) -> Facts:
    """Return the facts of a draft; raises ContractError where a source cannot be read.

    data: the section `data` of the overlay. folder: an empty folder; snapshot and quarantine are written below it.
    now: rows after it are left out, as in a run.
    """
    section = DataParams.model_validate(
        data
        | {"as_of": now, "simulated": False, "anonymous_events": True, "memory_gib": data.get("memory_gib", 4)}
        | {"max_bad_share": NO_LIMIT, "max_unknown_share": NO_LIMIT, "max_contradiction_share": NO_LIMIT}
    )
    qualities = _take_quietly(section, root, folder)
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        for table in ("events", "products"):
            paths = [str(p) for p in partitions(folder / "data/snapshot", table)]
            connection.execute(f"CREATE VIEW {table} AS FROM {read_parquet(paths)}")
        facts = _count(connection, qualities)
    facts.snapshot = folder / "data/snapshot"
    return facts


def find_snapshot(checkout: Path, data: DataParams, root: Path, folder: Path) -> Path:
    """Return the checkout's snapshot where it is as of data.as_of, else one that is taken now below `folder`.

    root: the data root. Raises ContractError for the simulated shop before its first run.
    """
    present = checkout / "data/snapshot"
    if (present / "snapshot.json").is_file():
        info = read_snapshot_info(present)
        if info.as_of == data.as_of.isoformat() and info.simulated == data.simulated:
            return present
    if data.simulated:
        raise ContractError(
            "the simulated shop has no snapshot yet; run `carousel retrain`, or name --params of a shop"
        )
    _take_quietly(data, root, folder)
    return folder / "data/snapshot"


def _take_quietly(data: DataParams, root: Path, folder: Path) -> dict[str, TableQuality]:
    """Take a snapshot below `folder` without the log of `ingest`."""
    log = logging.getLogger("ingest")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        return take_snapshot(data, root, folder / "data/snapshot", folder / "data/quarantine")
    finally:
        log.setLevel(level)


def _count(connection: DuckDBPyConnection, qualities: dict[str, TableQuality]) -> Facts:
    kinds = dict(connection.execute("SELECT event, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC").fetchall())
    facts = Facts(qualities, kinds)
    row = connection.execute(
        "SELECT min(timestamp), max(timestamp), count(DISTINCT user_id), avg((user_id IS NULL)::INT) FROM events"
    ).fetchone()
    if row is None or row[0] is None:
        return facts
    facts.first, facts.newest = (t.replace(tzinfo=UTC) for t in row[:2])
    facts.n_users, facts.anonymous_share = row[2], row[3]
    found = connection.execute(
        "SELECT count(*), avg(regexp_matches(title, '[\\x{4e00}-\\x{9fff}]')::INT) FROM products"
    ).fetchone()
    facts.n_products, facts.chinese_share = (found[0], found[1] or 0.0) if found else (0, 0.0)
    facts.targets = _targets(kinds)
    _choose_windows(connection, facts)
    return facts


def _targets(kinds: dict[str, int]) -> list[str]:
    """Return the kinds of events that are ground truth: purchases, and carts where purchases are few."""
    if kinds.get("purchase", 0) >= 0.01 * sum(kinds.values()):
        return ["purchase"]
    if kinds.get("purchase") or kinds.get("cart"):
        return [k for k in ("purchase", "cart") if kinds.get(k)]
    return [next((k for k in ("click", "view") if kinds.get(k)), next((k for k in EVENTS if kinds.get(k)), "purchase"))]


def _choose_windows(connection: DuckDBPyConnection, facts: Facts) -> None:
    """Take the shortest windows with enough users; of shops with few, the longest that leave half of the events."""
    if facts.newest is None or facts.first is None:
        return
    end = end_of(facts.newest)
    total, best = max(sum(facts.kinds.values()), 1), -1
    for days in WINDOWS_DAYS:
        if timedelta(days=2 * days) >= end - facts.first:
            break
        starts = [end - timedelta(days=2 * days), end - timedelta(days=days), end]
        validation, _ = _window(connection, starts[0], starts[1], facts.targets)
        test, repeats = _window(connection, starts[1], starts[2], facts.targets)
        row = connection.execute("SELECT count(*) FROM events WHERE timestamp >= $1", [starts[0]]).fetchone()
        held_out = (row[0] if row else 0) / total
        if best >= 0 and held_out > MAX_HELD_OUT:
            break
        if min(validation, test) > best:
            best = min(validation, test)
            facts.windows, facts.window_users, facts.repeat_share = (days, days), (validation, test), repeats
        if best >= ENOUGH_USERS:
            break


def _window(connection: DuckDBPyConnection, start: datetime, end: datetime, targets: list[str]) -> tuple[int, float]:
    """Return the users with a target in a window and an event before it, and the share of their targets seen before."""
    listed = ", ".join(map(quote_text, targets))
    row = connection.execute(
        "WITH before AS (SELECT DISTINCT user_id, item_id FROM events WHERE timestamp < $1 AND user_id IS NOT NULL), "
        "later AS (SELECT DISTINCT user_id, item_id FROM events "
        f"WHERE timestamp >= $1 AND timestamp < $2 AND event IN ({listed})) "
        "SELECT count(DISTINCT user_id), avg(((user_id, item_id) IN (FROM before))::INT) FROM later "
        "WHERE user_id IN (SELECT user_id FROM before)",
        [start, end],
    ).fetchone()
    return (int(row[0]), float(row[1] or 0.0)) if row else (0, 0.0)


def end_of(newest: datetime) -> datetime:
    """Return the midnight after the newest event: the moment of an export that is no longer new."""
    return datetime(newest.year, newest.month, newest.day, tzinfo=UTC) + timedelta(days=1)


def is_live(newest: datetime, now: datetime) -> bool:
    """Return whether the newest event is so new that the shop is seen as of now."""
    return now - newest <= timedelta(hours=LIVE_HOURS)


def round_up(share: float) -> float:
    """Return a limit a little above a share: one digit, and a fifth more."""
    if share <= 0:
        return 0.0
    wanted = 1.2 * share
    digit = 10.0 ** math.floor(math.log10(wanted))
    return min(1.0, round(math.ceil(wanted / digit) * digit, 6))
