"""`carousel privacy`: every place that holds data of users, why, for how long, and its oldest entry now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from components.contracts import Record
from components.data.partitions import partitions
from components.params import Params, section_of
from components.settings import Settings
from components.times import to_datetime

NEXT_RUN = "until the next run replaces it"
VERSIONS = "while a version that stays needs it"


class StoredData(Record):
    """One place; a row of the table that `carousel privacy` prints."""

    location: str  # path below the checkout or the home folder
    holds: str
    of: str  # whose data
    why: str
    until: str
    parameter: str  # that sets `until`; "" where none does
    value: str  # of the parameter
    oldest: datetime | None  # entry, or file where entries have no time; None: nothing is stored
    size: int  # bytes


class Location(NamedTuple):
    """A place, and how its oldest entry is found."""

    path: Path
    holds: str
    of: str
    why: str
    until: str
    parameter: str
    oldest: Callable[[Path], datetime | None]


def list_stored_data(root: Path, settings: Settings, params: Params) -> list[StoredData]:
    """Return a row for each location. settings: resolved. What does not exist has no oldest entry.

    An event store in PostgreSQL is not asked: its row says so.
    """
    shop = settings.shop(params.release.name)
    rows = [*_of_checkout(root), *_of_home(settings.home), *_of_service(shop, settings), *_of_outputs(shop)]
    found = []
    for location in rows:
        section, leaf = section_of(params, location.parameter)
        value = getattr(section, leaf, "")
        found.append(
            StoredData(
                location=_shown(location.path, root, settings.home),
                holds=location.holds,
                of=location.of,
                why=location.why,
                until=location.until,
                parameter=location.parameter,
                value="" if isinstance(value, dict) else str(value),
                oldest=location.oldest(location.path),
                size=sum(file.stat().st_size for file in _files(location.path)),
            )
        )
    return found


def _of_checkout(root: Path) -> Iterable[Location]:
    models = ("data/split", "features", "profiles", "models", "bundle")
    learned = "user ids and histories by number, and what models learned from them"
    yield Location(
        root / "data/snapshot",
        "events, reviews, searches, social rows",
        "users of the sources",
        "to learn from and to evaluate on",
        "while the sources have them",
        "data.sources",
        _oldest_event,
    )
    yield Location(
        root / "data/quarantine",
        "refused rows as text, personal data masked",
        "users of the sources",
        "to correct the source",
        NEXT_RUN,
        "",
        _oldest_file,
    )
    for name in models:
        yield Location(root / name, learned, "users of the snapshot", "to serve", NEXT_RUN, "", _oldest_file)
    yield Location(
        root / ".dvc/cache",
        "earlier snapshots and stages' files",
        "users of the sources",
        "to reproduce versions",
        VERSIONS,
        "gc.keep_versions",
        _oldest_file,
    )


def _of_home(home: Path) -> Iterable[Location]:
    yield Location(
        home / "remote",
        "earlier snapshots",
        "users of the sources",
        "to reproduce versions",
        VERSIONS,
        "gc.keep_versions",
        _oldest_file,
    )
    yield Location(
        home / "mlflow-artifacts",
        "bundles, cards and reports of versions",
        "users of the snapshot, in models",
        "to serve and to roll back",
        VERSIONS,
        "gc.keep_versions",
        _oldest_file,
    )
    yield Location(
        home / "workspaces",
        "clones of deployed runs, with their snapshot",
        "users of the sources",
        "for inspection",
        "until newer ones replace them",
        "gc.workspaces",
        _oldest_file,
    )
    yield Location(
        home / "embeddings",
        "vectors of texts, by digest of the text",
        "nobody by name",
        "to encode each text once",
        "until newer ones replace them",
        "gc.embedding_caches",
        _oldest_file,
    )


def _of_service(shop: Path, settings: Settings) -> Iterable[Location]:
    oldest: Callable[[Path], datetime | None] = _oldest_stored_event
    store, days = shop / "serving/state.db", "days after the event"
    if settings.event_store_address is not None:
        store, oldest = shop / "serving/events in PostgreSQL", _oldest_file
    yield Location(
        store,
        "events, choices of advertisements, keys of requests, lists not yet among the exposures",
        "users of the service",
        "histories for lists, outcomes of experiments",
        days,
        "serving.event_retention_days",
        oldest,
    )
    yield Location(
        shop / "serving/exposures",
        "lists that were shown",
        "users of the service",
        "impressions to learn from, experiments",
        "days after the list",
        "gc.exposure_days",
        _oldest_exposure,
    )
    yield Location(
        shop / "audit.jsonl",
        "calls of admin routes, without users",
        "administrators, as they name themselves",
        "to find who changed what",
        "days after the call",
        "gc.audit_days",
        _oldest_call,
    )


def _of_outputs(shop: Path) -> Iterable[Location]:
    yield Location(
        shop / "applications",
        "segments, audiences, forecasts",
        "users of the snapshot",
        "to serve",
        "until the next run replaces it, and one more",
        "",
        _oldest_file,
    )
    yield Location(
        shop / "exports",
        "lists of users",
        "users of the sources",
        "to read lists without a server",
        "until the next export replaces it",
        "",
        _oldest_file,
    )
    yield Location(
        shop / "experiments",
        "assignments by hash, outcomes in sums",
        "nobody by name",
        "decisions on record",
        "for good",
        "",
        _oldest_file,
    )
    yield Location(
        shop / "forgotten.json",
        "salted hashes of forgotten users",
        "forgotten users, not to be read back",
        "to leave them out of later snapshots",
        "for good",
        "",
        _oldest_file,
    )


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()] if path.is_dir() else []


def _oldest_file(path: Path) -> datetime | None:
    changed = min((file.stat().st_mtime for file in _files(path)), default=None)
    return None if changed is None else datetime.fromtimestamp(changed, UTC)


def _oldest_event(snapshot: Path) -> datetime | None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for file in partitions(snapshot, "events"):  # months in order
        times = pq.read_table(file, columns=["timestamp"], page_checksum_verification=True)["timestamp"]
        if len(times):
            first: datetime = pc.min(times).as_py()
            return first.replace(tzinfo=UTC)
    return None


def _oldest_stored_event(file: Path) -> datetime | None:
    import sqlite3
    from contextlib import closing

    if not file.is_file():
        return None
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
        (at,) = database.execute("SELECT min(at) FROM events").fetchone()
    return None if at is None else to_datetime(at)


def _oldest_exposure(folder: Path) -> datetime | None:
    started = [int(name) for file in folder.glob("*.parquet") if (name := file.name.partition("-")[0]).isdecimal()]
    return to_datetime(min(started)) if started else None


def _oldest_call(file: Path) -> datetime | None:
    times = []
    for part in sorted(file.parent.glob(f"{file.name}*")):
        with part.open(encoding="utf-8") as lines:
            first = next(lines, "")
        times += [json.loads(first)["time"]] if first else []
    return datetime.fromtimestamp(min(times), UTC) if times else None


def _shown(path: Path, root: Path, home: Path) -> str:
    """Return the path without the folders of this machine."""
    if path.is_relative_to(home):
        return f"home/{path.relative_to(home)}"
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
