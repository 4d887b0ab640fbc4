"""Events, a process that writes them, and stores as version 0.1 made them."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from components.serving.storage.event_store import EventStore, StoredEvent, StoreError
from components.serving.storage.user_hash import N_VERSION_SLOTS
from components.tombstones import unkeyed_tombstone

T = TypeVar("T")
Open = Callable[[], EventStore]
KEY = b"a key of thirty-two bytes or more"
# writes events one by one, and prints the number of each that was acknowledged: folder, address or "", first number;
# with a fourth argument, each event has a key, and the time at which it is written
WRITER = """
import sys, pathlib, time
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.open_event_store import open_event_store
store = open_event_store(sys.argv[2] or None, pathlib.Path(sys.argv[1]), "shop")
for n in range(int(sys.argv[3]), 100_000):
    has_key = len(sys.argv) > 4
    event = StoredEvent(f"u{n % 7}", time.time_ns() // 1000 if has_key else n, f"i{n}", "view")
    store.put([event], f"key-{n}" if has_key else None, b"%d" % n).result()
    print(n, flush=True)
"""
SQLITE_0_1 = """
CREATE TABLE IF NOT EXISTS events (
    user_id TEXT NOT NULL, at INTEGER NOT NULL, key BLOB NOT NULL, item_id TEXT NOT NULL, event TEXT NOT NULL,
    quantity REAL, price REAL, session_id TEXT, position INTEGER, request_id TEXT,
    PRIMARY KEY (user_id, at, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stock (item_id TEXT PRIMARY KEY, quantity REAL NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
POSTGRES_0_1 = """
CREATE TABLE IF NOT EXISTS events (
    user_id TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL, key BYTEA NOT NULL, item_id TEXT NOT NULL,
    event TEXT NOT NULL, quantity DOUBLE PRECISION, price DOUBLE PRECISION, session_id TEXT, position INTEGER,
    request_id TEXT, PRIMARY KEY (user_id, at, key));
CREATE TABLE IF NOT EXISTS stock (item_id TEXT PRIMARY KEY, quantity DOUBLE PRECISION NOT NULL, at BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (slot INTEGER PRIMARY KEY, mark BIGINT NOT NULL);
INSERT INTO told VALUES ('shop', 'shop');
INSERT INTO marks VALUES (1, 7);
"""


def make_events(*at: int, user: str = "ann") -> list[StoredEvent]:
    return [StoredEvent(user, t, f"i{t}", "view") for t in at]


def make_key() -> bytes:
    return KEY


def make_sqlite_0_1(path: Path) -> None:
    """Make the file of version 0.1: two events of ann, stock of a, the digest of a snapshot, bob deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SQLITE_0_1)
        for event in make_events(1, 2):
            database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", event.row()[:10])
        database.execute("INSERT INTO stock VALUES ('a', 3, 10)")
        rows = [("snapshot", "digest"), (f"forgotten/{unkeyed_tombstone('bob')}", "")]
        database.executemany("INSERT INTO told VALUES (?, ?)", rows)
        database.commit()
    path.with_name(f"{path.name}-marks").write_bytes(bytes(8 * N_VERSION_SLOTS))
    path.with_name(f"{path.name}-turn").touch()


def make_postgres_0_1(url: str) -> None:
    """Make the same in a new database."""
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute(POSTGRES_0_1)
        for event in make_events(1, 2):
            connection.execute("INSERT INTO events VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", event.row()[:10])
        connection.execute("INSERT INTO stock VALUES ('a', 3, 10)")
        connection.execute(
            "INSERT INTO told VALUES ('snapshot', 'digest'), (%s, '')", (f"forgotten/{unkeyed_tombstone('bob')}",)
        )


def until_available(call: Callable[[], T]) -> T:
    """Return what the call returns once the store answers again."""
    while True:
        try:
            return call()
        except StoreError:
            time.sleep(0.05)
