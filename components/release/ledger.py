"""The deployments, in order: an append-only table in SQLite. It records which version served, whatever the alias."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from components.compat import translate
from components.contracts import Record
from components.errors import ReleaseError
from components.release.launch import Launch

Action = Literal["promote", "rollback"]
State = Literal["intent", "done", "abandoned"]
BUSY_S = 30.0  # longest wait for another writer
COLUMNS = "number, at, state, action, version, previous, digest, decision_digest, note, launch"
TABLE = """
CREATE TABLE IF NOT EXISTS deployments (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL, action TEXT NOT NULL, version INTEGER NOT NULL,
    previous INTEGER, digest TEXT NOT NULL, decision_digest TEXT, note TEXT NOT NULL, launch TEXT
);
CREATE TRIGGER IF NOT EXISTS no_update BEFORE UPDATE ON deployments
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON deployments
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""


class Deployment(Record):
    """One promotion or rollback, in its newest state."""

    number: int
    at: str  # ISO, UTC: when it reached this state
    state: State
    action: Action
    version: int
    previous: int | None  # the version that a rollback would restore
    digest: str  # of the version's bundle
    decision_digest: str | None  # sha256 of the decision file; None for a rollback
    note: str  # the live service's answer, or why it was abandoned
    launch: Launch | None = None  # start on the shop's clock, and the expected gain; None: before version 0.4


class Ledger:
    """ledger.db in the folder of a shop. Rows are only added: the newest row of a deployment's number is its state."""

    def __init__(self, shop: Path) -> None:
        self.path = shop / "ledger.db"

    def begin(
        self,
        action: Action,
        version: int,
        previous: int | None,
        digest: str,
        decision_digest: str | None,
        launch: Launch | None = None,
    ) -> Deployment:
        """Record the intent; return it with a new number."""
        with self.transaction() as db:
            (number,) = db.execute("SELECT coalesce(max(number), 0) + 1 FROM deployments").fetchone()
            intent = Deployment(
                number=number,
                at=_now(),
                state="intent",
                action=action,
                version=version,
                previous=previous,
                digest=digest,
                decision_digest=decision_digest,
                note="",
                launch=launch,
            )
            _insert(db, intent)
        return intent

    def close(self, intent: Deployment, state: State, note: str) -> Deployment:
        """Record how the intent ended; return the new row."""
        end = intent.model_copy(update={"at": _now(), "state": state, "note": note})
        with self.transaction() as db:
            _insert(db, end)
        return end

    def deployments(self) -> list[Deployment]:
        """Return all deployments in their newest state, oldest first; reading creates no file."""
        if not self.path.exists():
            return []
        with self.transaction() as db:
            rows = db.execute(f"SELECT {COLUMNS} FROM deployments ORDER BY row").fetchall()  # noqa: S608
        found = map(_parse, rows)
        newest = {deployment.number: deployment for deployment in found}
        return [newest[number] for number in sorted(newest)]

    def open_intent(self) -> Deployment | None:
        """Return the deployment that is neither done nor abandoned, because its process died; None without one."""
        return next((d for d in self.deployments() if d.state == "intent"), None)

    def serving_stack(self) -> list[Deployment]:
        """Return the stack of deployments for rollbacks; the last element is the version that serves.

        A promotion is pushed; a rollback pops everything above the version that it restored.
        """
        chain: list[Deployment] = []
        for done in (d for d in self.deployments() if d.state == "done"):
            at = next((i for i in reversed(range(len(chain))) if chain[i].version == done.version), None)
            chain = [*chain, done] if done.action == "promote" or at is None else [*chain[:at], done]
        return chain

    def rollback_time(self, digest: str) -> datetime | None:
        """Return when a rollback replaced the bundle; None if it never served, still serves, or serves again."""
        done = [d for d in self.deployments() if d.state == "done"]
        last = next((d for d in reversed(done) if d.digest == digest), None)
        if last is None or last in self.serving_stack():
            return None
        return datetime.fromisoformat(next(d.at for d in done if d.number > last.number and d.action == "rollback"))

    def serving_since(self, version: int) -> datetime | None:
        """Return when the version began to serve; None if by the ledger it does not serve now."""
        chain = self.serving_stack()
        return datetime.fromisoformat(chain[-1].at) if chain and chain[-1].version == version else None

    @contextmanager
    def transaction(self, tables: str = "") -> Iterator[sqlite3.Connection]:
        """Yield the database in one write transaction; `tables` is SQL that creates further append-only tables.

        Raises ReleaseError for a damaged or locked file. A process that dies inside leaves nothing of it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            db = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
            try:
                db.executescript(TABLE + tables)
                db.execute("BEGIN IMMEDIATE")  # reads the number and writes the row in one transaction
                _add_launch(db)
                yield db
                db.execute("COMMIT")
            finally:
                db.close()
        except sqlite3.Error as error:
            raise ReleaseError(f"{self.path.name}: {error}; check the disk, or restore a copy of the ledger") from error


def _add_launch(db: sqlite3.Connection) -> None:
    """Add the column that a ledger of version 0.3 or earlier lacks."""
    if "launch" not in {column[1] for column in db.execute("PRAGMA table_info(deployments)")}:
        db.execute("ALTER TABLE deployments ADD COLUMN launch TEXT")


def _parse(row: tuple[Any, ...]) -> Deployment:
    content = dict(zip(COLUMNS.split(", "), row, strict=True))
    content["launch"] = json.loads(content["launch"]) if content["launch"] else None
    return Deployment.model_validate(translate("deployment", content))


def _insert(db: sqlite3.Connection, row: Deployment) -> None:
    content = row.model_dump() | {"launch": row.launch.model_dump_json() if row.launch else None}
    values = [content[name] for name in COLUMNS.split(", ")]
    db.execute(f"INSERT INTO deployments ({COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
