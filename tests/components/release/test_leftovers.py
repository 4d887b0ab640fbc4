"""Workspaces, caches, logs and free pages: the newest stay, and a file that is in use is not harmed."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from components.release import leftovers

DAY_S = 86_400


def make_file(path: Path, size: int, age_days: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    at = path.stat().st_mtime - age_days * DAY_S
    os.utime(path, (at, at))
    return path


def make_folder(path: Path, size: int, age_days: float) -> Path:
    make_file(path / "data/part", size)
    at = path.stat().st_mtime - age_days * DAY_S
    os.utime(path, (at, at))
    return path


def test_the_newest_workspace_stays_and_reproductions_stay_a_day(tmp_path: Path) -> None:
    old, new = (make_folder(tmp_path / f"workspaces/run-{n}", 100, 3 - n) for n in (1, 2))
    rebuilt = make_folder(tmp_path / "workspaces/reproduce-3", 10, 2)
    fresh = make_folder(tmp_path / "workspaces/reproduce-4", 10, 0.5)
    planned = leftovers.clean_workspaces(tmp_path, 1, dry_run=True)
    assert all(path.exists() for path in (old, new, rebuilt, fresh))
    assert leftovers.clean_workspaces(tmp_path, 1, dry_run=False) == planned
    assert (planned.count, planned.size) == (2, 110)
    assert leftovers.list_workspaces(tmp_path, 1) == [new, fresh]
    assert sorted((tmp_path / "workspaces").iterdir()) == [fresh, new]


def test_the_embedding_caches_used_last_stay_and_others_go_with_their_write_ahead_log(tmp_path: Path) -> None:
    used, old = (make_file(tmp_path / f"embeddings/{n}.db", 50, n) for n in (1, 2))
    make_file(tmp_path / "embeddings/2.db-wal", 7)
    found = leftovers.clean_embeddings(tmp_path, 1, dry_run=False)
    assert (found.count, found.size) == (2, 57)
    assert list((tmp_path / "embeddings").iterdir()) == [used]
    assert not old.exists()


def test_old_training_logs_go(tmp_path: Path) -> None:
    old = make_file(tmp_path / "run/tensorboard/events.out.tfevents.1.host", 9, 31)
    new = make_file(tmp_path / "run/tensorboard/ranker/events.out.tfevents.2.host", 9, 29)
    assert leftovers.clean_boards(tmp_path, 30, dry_run=False).size == 9
    assert new.exists()
    assert not old.exists()


@pytest.mark.parametrize("mode", ["ab", "wb"])
def test_a_large_log_loses_its_older_half_while_a_server_writes_to_it(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "logs/prefect-server.log"
    file.parent.mkdir()
    with file.open(mode) as server:
        server.write(b"".join(b"line %04d\n" % n for n in range(1000)))
        server.flush()
        found = leftovers.clean_logs(tmp_path, 5000, dry_run=False)
        assert found.note == "prefect-server.log"
        assert found.size == 10_000 - file.stat().st_size
        kept = file.read_text().splitlines()
        assert kept[-1] == "line 0999"
        assert kept[0] == f"line {1000 - len(kept):04d}"
        assert 200 < len(kept) <= 250
        server.write(b"later\n")
        server.flush()
    assert file.read_bytes().endswith(b"later\n")
    assert file.stat().st_blocks * 512 < 10_000  # the part before a write at an old position is a hole
    assert leftovers.clean_logs(tmp_path, 20_000, dry_run=False).count == 0


def make_database(file: Path, n_rows: int) -> Path:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE rows (text)")
        database.executemany("INSERT INTO rows VALUES (?)", [("x" * 1000,)] * n_rows)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM rows WHERE rowid > 100")
    return file


def test_free_pages_of_a_database_are_given_back(tmp_path: Path) -> None:
    file = make_database(tmp_path / "mlflow.db", 1000)
    before = file.stat().st_size
    planned = leftovers.compact_database(file, dry_run=True)
    assert file.stat().st_size == before
    assert leftovers.compact_database(file, dry_run=False) == planned
    assert before - file.stat().st_size >= planned.size * 0.9 > 0
    assert leftovers.compact_database(file, dry_run=False).size == 0
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM rows").fetchone() == (100,)


def test_a_database_in_use_or_without_free_pages_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "BUSY_S", 0.01)
    file = make_database(tmp_path / "mlflow.db", 1000)
    with closing(sqlite3.connect(file, isolation_level=None)) as server:
        server.execute("BEGIN IMMEDIATE")
        assert "locked" in leftovers.compact_database(file, dry_run=False).note
        server.execute("COMMIT")
    assert leftovers.compact_database(make_database(tmp_path / "full.db", 100), dry_run=False).count == 0
    assert leftovers.compact_database(tmp_path / "none.db", dry_run=False).count == 0
    assert not (tmp_path / "none.db").exists()


def test_hard_links_count_once(tmp_path: Path) -> None:
    file = make_file(tmp_path / "a/x", 100)
    (tmp_path / "a/y").hardlink_to(file)
    assert leftovers.folder_size(tmp_path / "a") == leftovers.folder_size(file) == 100
