"""Exposure files are merged by day; no row is lost, doubled or harmed, also beside a service and after kill -9."""

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.contracts import EVENT_COLUMNS
from components.errors import BusyError
from components.serving.metrics import ServiceMetrics
from components.serving.storage import compaction
from components.serving.storage.compaction import Compaction, compact_exposures, exposures_lock
from components.serving.storage.exposures import Exposure, ExposureLog, write_exposures
from components.times import DAY_US, to_micros

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


def write(folder: Path, day: int, hour: int = 1, user: str = "ann") -> Path:
    """Write a file of two impressions on a day of March 2026."""
    at = to_micros(datetime(2026, 3, day, hour, tzinfo=UTC))
    folder.mkdir(exist_ok=True)
    path = folder / f"{at}-{day:04x}{hour:04x}{user}.parquet"
    write_exposures(path, [Exposure(user, ["i1", "i2"], at, None, f"r{day}.{hour}", "/recommend", 3, "spring", "new")])
    return path


def rows(folder: Path) -> Counter[tuple[object, ...]]:
    """Return how often each row is in the folder."""
    tables = [pq.read_table(file) for file in folder.glob("*.parquet")]
    return Counter(tuple(row.values()) for table in tables for row in table.to_pylist())


def compact(folder: Path, days: float = 400, dry_run: bool = False) -> Compaction:
    return compact_exposures(folder, days, NOW, dry_run)


def test_files_of_each_day_that_is_over_become_one(tmp_path: Path) -> None:
    for day in (2, 3, 5):
        for hour in (0, 1, 23) if day < 5 else (1, 11):
            write(tmp_path, day, hour)
    before = rows(tmp_path)
    n_files, size = compact(tmp_path)
    names = sorted(tmp_path.glob("*.parquet"))
    days = [int(name.name.partition("-")[0]) // DAY_US for name in names]
    first = to_micros(datetime(2026, 3, 2, tzinfo=UTC)) // DAY_US
    assert days == [first, first + 1, first + 3, first + 3]  # today's files stay
    assert n_files == 6
    assert size > 0
    assert rows(tmp_path) == before
    assert set(before.values()) == {1}
    assert names[0].stat().st_mode & 0o077 == 0
    merged = pq.read_table(names[0])
    assert set(EVENT_COLUMNS) - {"consent"} <= set(merged.column_names)
    assert merged["timestamp"].to_pylist() == sorted(merged["timestamp"].to_pylist())
    assert compact(tmp_path) == (0, 0)


def test_a_late_file_joins_the_file_of_its_day(tmp_path: Path) -> None:
    for hour in (1, 2):
        write(tmp_path, 3, hour)
    compact(tmp_path)
    write(tmp_path, 3, 3)
    before = rows(tmp_path)
    assert compact(tmp_path).n_files == 2
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    assert rows(tmp_path) == before


def test_days_that_are_too_old_go(tmp_path: Path) -> None:
    old, new = write(tmp_path, 1), write(tmp_path, 4)
    other = tmp_path / "shop.parquet"
    other.write_bytes(old.read_bytes())
    size = old.stat().st_size
    assert compact(tmp_path, days=3, dry_run=True) == (1, size)
    assert old.exists()
    assert compact(tmp_path, days=3) == (1, size)
    assert sorted(tmp_path.glob("*.parquet")) == [new, other]


def test_damaged_files_and_other_columns_stay_as_they_are(tmp_path: Path) -> None:
    files = [write(tmp_path, 3, hour) for hour in (1, 2, 3, 4)]
    content = bytearray(files[0].read_bytes())
    content[content.index(b"ann")] ^= 1
    files[0].write_bytes(bytes(content))
    pq.write_table(pq.read_table(files[3]).drop(["arm"]), files[3])
    kept = {file: file.read_bytes() for file in (files[0], files[3])}
    assert compact(tmp_path).n_files == 2
    assert all(file.read_bytes() == content for file, content in kept.items())
    assert not files[1].exists()
    assert len(list(tmp_path.glob("*.parquet"))) == 3


def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path) -> None:
    files = [write(tmp_path, 3, hour) for hour in (1, 2)]
    assert compact(tmp_path, dry_run=True).n_files == 2
    assert sorted(tmp_path.glob("*.parquet")) == files


def test_a_large_day_has_row_groups_of_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "GROUP_ROWS", 4)
    for hour in range(5):
        write(tmp_path, 3, hour)
    before = rows(tmp_path)
    compact(tmp_path)
    (merged,) = tmp_path.glob("*.parquet")
    meta = pq.read_metadata(merged)
    assert [meta.row_group(n).num_rows for n in range(meta.num_row_groups)] == [4, 4, 2]
    assert rows(tmp_path) == before


def test_a_service_writes_meanwhile(tmp_path: Path) -> None:
    for hour in (1, 2):
        write(tmp_path, 3, hour)
    log = ExposureLog(tmp_path, 1, 60, 100, ServiceMetrics())
    log.start()
    log.add(Exposure("bob", ["i9"], to_micros(NOW), None, "live", "/recommend", 3, None, None))
    compact(tmp_path)
    log.stop()
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    assert sum(rows(tmp_path).values()) == 5


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert compact(tmp_path / "exposures") == (0, 0)
    assert not (tmp_path / "exposures").exists()


def test_who_rewrites_files_waits_for_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 3)
    monkeypatch.setattr(compaction, "LOCK_S", 0)
    with exposures_lock(tmp_path), pytest.raises(BusyError, match="exposure log"):
        compact(tmp_path)


def test_a_call_killed_before_the_sources_went_is_ended_by_the_next(tmp_path: Path) -> None:
    for hour in (1, 2, 3):
        write(tmp_path, 3, hour)
    before = rows(tmp_path)
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.components.serving.storage.test_compaction import compact\ncompact(Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    killed = subprocess.run(command, env=os.environ | {"CRASH_AT": "gc:merged"}, check=False, capture_output=True)
    assert killed.returncode == -9, killed.stderr
    assert set(rows(tmp_path)) == set(before)  # nothing is missing
    compact(tmp_path)
    assert rows(tmp_path) == before
    assert [file.suffix for file in tmp_path.iterdir() if not file.name.endswith(".lock")] == [".parquet"]


def test_a_call_killed_before_the_merged_file_appeared_changes_nothing(tmp_path: Path) -> None:
    files = [write(tmp_path, 5, hour) for hour in (1, 2)]
    (tmp_path / f".{to_micros(NOW)}-abc.parquet.sources.json").write_text(f'["{files[0].name}"]')
    compact_exposures(tmp_path, 400, NOW, False)
    assert sorted(file for file in tmp_path.iterdir() if not file.name.endswith(".lock")) == files
