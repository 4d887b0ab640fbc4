"""What earlier runs left in home folder and checkout: workspaces, caches, logs, free pages of databases."""

import shutil
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from components.release.records import Cleaned

REPRODUCE_DAYS = 1.0  # days that the workspace of `carousel reproduce` stays for inspection; it runs without our lock
MIN_FREE_SHARE = 0.2  # share of a database's pages that must be free before it is rewritten
BUSY_S = 5.0  # longest wait for a database that a server uses


def list_workspaces(home: Path, n_newest: int) -> list[Path]:
    """Return the workspaces that `clean_workspaces` leaves."""
    runs = _newest_first((home / "workspaces").glob("run-*"))[:n_newest]
    return [*runs, *(home / "workspaces").glob("reproduce-*")]


def clean_workspaces(home: Path, n_newest: int, dry_run: bool) -> Cleaned:
    """Remove workspaces of deployed runs but the newest, and those of `carousel reproduce` that are a day old."""
    runs = _newest_first((home / "workspaces").glob("run-*"))[n_newest:]
    before = time.time() - REPRODUCE_DAYS * 86_400
    rebuilt = [path for path in (home / "workspaces").glob("reproduce-*") if path.stat().st_mtime < before]
    return _remove("workspaces", [*runs, *rebuilt], dry_run)


def clean_embeddings(home: Path, n_newest: int, dry_run: bool) -> Cleaned:
    """Remove the caches of text vectors but those that were used last; each belongs to one language model."""
    caches = _newest_first((home / "embeddings").glob("*.db"))[n_newest:]
    wal_files = [path.with_name(path.name + end) for path in caches for end in ("-wal", "-shm")]
    return _remove("embedding caches", [*caches, *(path for path in wal_files if path.exists())], dry_run)


def clean_boards(root: Path, days: float, dry_run: bool) -> Cleaned:
    """Remove TensorBoard's files of trainings that are older."""
    before = time.time() - days * 86_400
    files = [f for f in (root / "run/tensorboard").rglob("events.out.tfevents.*") if f.stat().st_mtime < before]
    return _remove("training logs", files, dry_run)


def clean_logs(home: Path, limit: int, dry_run: bool) -> Cleaned:
    """Remove the older half of log files larger than `limit` bytes, at the beginning of a line.

    The file stays the same one: a server goes on writing to it.
    """
    names = [home / "prefect-cli.log", *(home / "logs").glob("*.log"), *(home / "stack/logs").glob("*.log")]
    large = [file for file in names if file.is_file() and file.stat().st_size > limit]
    size = 0
    for file in large:
        tail = _tail(file, limit // 2)
        size += file.stat().st_size - len(tail)
        if not dry_run:
            with file.open("r+b") as output:
                output.truncate(0)
                output.write(tail)
    return Cleaned(what="logs", count=len(large), size=size, note=", ".join(file.name for file in large))


def compact_database(file: Path, dry_run: bool) -> Cleaned:
    """Give the free pages of an SQLite database back to the disk, where they are a fifth of it, unless it is in use."""
    what = f"free pages of {file.name}"
    if not file.exists():
        return Cleaned(what=what, count=0, size=0)
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)) as database:
            free, pages, page_size = (
                int(database.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("freelist_count", "page_count", "page_size")
            )
            if free < MIN_FREE_SHARE * pages:
                return Cleaned(what=what, count=0, size=0)
            if not dry_run:
                database.execute("VACUUM")
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return Cleaned(what=what, count=free, size=free * page_size)
    except sqlite3.OperationalError as error:
        return Cleaned(what=what, count=0, size=0, note=f"{error}; the next clean-up tries again")


def folder_size(path: Path) -> int:
    """Return the bytes of a file, or of the files below a folder; hard links count once."""
    files = [path] if path.is_file() else path.rglob("*")
    found = {}
    for file in files:
        with suppress(FileNotFoundError):
            about = file.lstat()
            found[about.st_dev, about.st_ino] = 0 if file.is_dir() else about.st_size
    return sum(found.values())


def _newest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)


def _remove(what: str, paths: Sequence[Path], dry_run: bool) -> Cleaned:
    size = sum(folder_size(path) for path in paths)
    for path in () if dry_run else paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return Cleaned(what=what, count=len(paths), size=size)


def _tail(file: Path, n: int) -> bytes:
    with file.open("rb") as source:
        source.seek(-n, 2)
        source.readline()  # the rest of a line
        return source.read()
