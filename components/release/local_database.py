"""The registry's local SQLite database: made whole or not at all; one that was left half made is replaced."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from components import io
from components.errors import ReleaseError
from components.faults import crash_point
from components.release.lock import exclusive_lock

log = logging.getLogger(__name__)
LOCK_S = 120.0  # longest wait for another process that makes the database: MLflow's migrations take seconds
IDLE_S = 10.0  # a half-made database that was not written for so long is nobody's work in progress
POLL_S = 0.5
RECORDS = ("runs", "registered_models", "model_versions")  # tables of which a row means that the database was used
COMPANIONS = ("-journal", "-wal", "-shm")  # SQLite applies a left-over journal to any database of that name


def path_of(uri: str) -> Path | None:
    """Return the file of an address such as sqlite:////srv/mlflow.db; None for a server."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def is_missing(uri: str) -> bool:
    """Return whether the address is a local database that does not exist yet."""
    path = path_of(uri)
    return path is not None and not path.exists()


def read_aliases(uri: str, name: str) -> dict[str, int] | None:
    """Return alias -> version of a model, read without MLflow, whose import takes seconds; None: ask MLflow."""
    sql = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"
    rows = _read(uri, "registered_model_aliases", sql, name)
    return None if rows is None else {str(alias): int(str(version)) for alias, version in rows}


def read_tags(uri: str, name: str, number: int) -> dict[str, str] | None:
    """Return the tags of a version, read without MLflow; empty for an unknown version, None: ask MLflow."""
    sql = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
    rows = _read(uri, "model_version_tags", sql, name, number)
    return None if rows is None else {str(key): str(value) for key, value in rows}


def prepare(uri: str, artifacts: Path) -> None:
    """Make the database where there is none; replace one that was left half made and holds no record.

    uri: MLflow's address; that of a server needs nothing. artifacts: folder of MLflow's default experiment.
    Raises ReleaseError for a database of another schema that holds records, and for a file that is no database.
    """
    path = path_of(uri)
    if path is None or (path.exists() and _schema(path) == _current_schema()):
        return
    with exclusive_lock(path.with_name(f"{path.name}.lock"), "making the registry's database", LOCK_S):
        if path.exists() and not _is_complete(path):
            _set_aside(path)
        if not path.exists():
            _make(path, artifacts)


def _is_complete(path: Path) -> bool:
    """Return whether the schema is the current one, after waiting for a process that is still making it."""
    deadline = time.monotonic() + LOCK_S
    while _schema(path) != _current_schema():
        written = max(f.stat().st_mtime for f in [path, *_companions(path)])
        if time.time() - written > IDLE_S or time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _make(path: Path, artifacts: Path) -> None:
    """Make the database beside its place, then link it there: a killed process leaves no part of it."""
    from mlflow.store.tracking import sqlalchemy_store

    new_store: Any = sqlalchemy_store.SqlAlchemyStore

    with io.temporary_folder(path) as folder:
        built = folder / path.name
        store = new_store(f"sqlite:///{built}", artifacts.as_uri())
        store.engine.dispose()
        crash_point("registry:database")
        try:
            os.link(built, path)
        except FileExistsError:  # made by a server of MLflow meanwhile
            log.info("%s was made by another process", path.name)


def _set_aside(path: Path) -> None:
    """Rename a half-made database; raises ReleaseError where it holds records."""
    found, expected = _schema(path), _current_schema()
    if _has_records(path):
        raise ReleaseError(
            f"{path}: the registry's database has schema {found}, this version of MLflow expects {expected}: back the "
            f"file up, then run `mlflow db upgrade sqlite:///{path}`"
        )
    aside = path.with_name(f"{path.name}.incomplete")
    for file in [path, *_companions(path)]:
        file.replace(aside.with_name(file.name.replace(path.name, aside.name)))
    log.warning("%s was left half made (schema %s) and held no record: renamed to %s", path.name, found, aside.name)


def _companions(path: Path) -> list[Path]:
    return [file for end in COMPANIONS if (file := path.with_name(path.name + end)).exists()]


def _schema(path: Path) -> str | None:
    """Return the revision of the schema; None where it has none yet."""
    rows = _query(path, "SELECT version_num FROM alembic_version") if "alembic_version" in _tables(path) else []
    return str(rows[0][0]) if rows else None


def _has_records(path: Path) -> bool:
    tables = _tables(path)
    return any(_query(path, f"SELECT 1 FROM {name} LIMIT 1") for name in RECORDS if name in tables)  # noqa: S608


def _tables(path: Path) -> set[str]:
    return {str(name) for (name,) in _query(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}


def _read(uri: str, table: str, sql: str, *values: str | int) -> list[tuple[object, ...]] | None:
    """Return the rows, none of a missing database; None: the address is a server's, or there is no such table yet."""
    path = path_of(uri)
    if path is None or is_missing(uri):
        return None if path is None else []
    return _query(path, sql, *values) if table in _tables(path) else None


def _query(path: Path, sql: str, *values: str | int) -> list[tuple[object, ...]]:
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_S)) as db:
            return db.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        raise ReleaseError(
            f"{path}: expected the registry's SQLite database ({error}); restore it from a backup. To begin without "
            "it, rename the file"
        ) from None


def _current_schema() -> str:
    from mlflow.store.db import utils

    latest: Any = utils._get_latest_schema_revision
    return str(latest())
