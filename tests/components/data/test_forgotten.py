"""Forgotten users: left out of snapshot and quarantine, counted, and removed from files that exist."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import params
from components.data.forgotten import erase_from, erase_rows
from components.data.partitions import read_table, write_part
from components.data.snapshot import read_snapshot_info, take_snapshot
from components.tombstones import Forgotten, tombstone
from tests.components.data.support import PRODUCTS, write

KEY = b"k" * 32
EVENTS = b"""user_id,item_id,timestamp,event
ann,i1,2026-01-01,view
bob,i1,2026-01-02,view
ann,nowhere,2026-01-03,view
ann,i1,not a time,view
bob,i1,not a time,view
bob,i1,2026-01-02,view
ann,i1,2026-09-01,view
"""
REVIEWS = b"user_id,item_id,timestamp,rating,text\nann,i1,2026-01-01,5,good\nbob,i1,2026-01-01,4,fine\n"


def forget(*users: str) -> Forgotten:
    return Forgotten(KEY, {tombstone(user, KEY): 1 for user in users})


@pytest.fixture
def shop(tmp_path: Path, settings: Callable[..., params.Params]) -> Callable[..., Path]:
    """Return a function that takes a snapshot of ann's and bob's events and reviews; it returns its folder."""

    def take(forgotten: Forgotten | None, name: str = "data") -> Path:
        write(tmp_path, {"in/products.csv": PRODUCTS, "in/events.csv": EVENTS, "in/reviews.csv": REVIEWS})
        paths = {table: [{"path": f"in/{table}.csv"}] for table in ("products", "events", "reviews")}
        chosen = settings(sources=paths, max_bad_share=1.0, max_unknown_share=1.0).data
        data = tmp_path / name
        (data / "snapshot").mkdir(parents=True)
        quality = take_snapshot(chosen, tmp_path, data / "snapshot", data / "quarantine", forgotten)
        for table in quality.values():
            counts = table.counts.model_dump()
            assert counts.pop("read") == sum(counts.values())
        return data

    return take


def ids_in(folder: Path) -> set[str]:
    """Return all values of text columns below the folder."""
    found: set[str] = set()
    for file in folder.rglob("*.parquet"):
        table = pq.read_table(file)
        for name in table.column_names:
            if pa.types.is_string(table[name].type):
                found |= {str(value) for value in table[name].to_pylist()}
    return found


def test_rows_of_forgotten_users_are_counted_and_in_no_file(shop: Callable[..., Path]) -> None:
    data = shop(forget("ann"))
    info = read_snapshot_info(data / "snapshot")
    assert info.counts["events"].forgotten == 4  # valid, unknown item, damaged time, and too late
    assert (info.counts["events"].valid, info.counts["events"].quarantined) == (1, 1)
    assert info.counts["reviews"].forgotten == 1
    assert read_table(data / "snapshot", "events")["user_id"].to_pylist() == ["bob"]
    assert not [text for text in ids_in(data) if "ann" in text]
    assert [text for text in ids_in(data) if "bob" in text and "not a time" in text]  # the quarantine still works


def test_without_forgotten_users_everything_is_as_before(shop: Callable[..., Path]) -> None:
    data = shop(None)
    assert read_snapshot_info(data / "snapshot").counts["events"].forgotten == 0
    assert set(read_table(data / "snapshot", "events")["user_id"].to_pylist()) == {"ann", "bob"}


def test_an_erased_snapshot_has_the_bytes_of_one_that_never_held_the_user(shop: Callable[..., Path]) -> None:
    before, after = shop(None, "before"), shop(forget("ann"), "after")
    n = {
        file.relative_to(before).as_posix(): erase_rows(file, forget("ann"))
        for file in sorted(before.rglob("*.parquet"))
    }
    assert n["snapshot/events/month=2026-01/part-0.parquet"] == 1
    assert n["snapshot/reviews/month=2026-01/part-0.parquet"] == 1
    assert n["quarantine/events.parquet"] == 2
    for file in sorted((after / "snapshot").rglob("*.parquet")):
        assert (before / file.relative_to(after)).read_bytes() == file.read_bytes()


def test_rows_of_csv_and_json_lines_are_removed_and_the_others_stay_as_they_were(tmp_path: Path) -> None:
    csv, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    csv.write_text('user_id,note\nann,1\nbob,"two\nlines"\n\'=ann,3\n"ann",4\n')
    lines.write_text(json.dumps({"user_id": "bob", "items": ["ann"]}) + "\n" + json.dumps({"user_id": "ann"}) + "\n")
    assert (erase_from(csv, forget("ann", "=ann")), erase_from(lines, forget("ann"))) == (3, 1)
    assert csv.read_text() == 'user_id,note\nbob,"two\nlines"\n'
    assert json.loads(lines.read_text())["user_id"] == "bob"


def test_a_file_without_users_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    write_part(pa.table({"item_id": ["ann"]}).to_reader(), file)
    before = file.stat().st_mtime_ns
    assert erase_from(file, forget("ann")) == 0
    assert file.stat().st_mtime_ns == before


def test_who_acts_on_a_forgotten_user_is_removed_too(tmp_path: Path) -> None:
    file = tmp_path / "social.parquet"
    write_part(pa.table({"user_id": ["bob", "bob"], "other_id": ["ann", "cid"]}).to_reader(), file)
    assert erase_rows(file, forget("ann")) == 1
    assert pq.read_table(file)["other_id"].to_pylist() == ["cid"]
