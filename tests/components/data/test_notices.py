"""Rows that are left out without breaking a rule are said, where they are more than a few."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from components.data.notices import blank_conditions, later_rows, old_events
from components.data.snapshot import read_snapshot_info
from components.params import Params
from tests.components.data.support import PRODUCTS, Ingested, write

HEADER = b"user_id,item_id,timestamp,event,status\n"
ITEM = PRODUCTS.splitlines()[1].split(b",")[0].decode()
NOT_TEST = "status <> 'test'"


def events(*times: str) -> bytes:
    return HEADER + b"".join(f"u{n},{ITEM},{time},view,ok\n".encode() for n, time in enumerate(times))


def test_later_rows_are_said_with_their_number_and_the_moment(ingest: Callable[..., Ingested], tmp_path: Path) -> None:
    ingest({"in/events.csv": events("2026-02-01", "2026-03-01", "2026-04-02")})
    (notice,) = later_rows(read_snapshot_info(tmp_path / "data/snapshot"))
    assert notice.startswith("events: 2 of 3 rows are at or after 2026-03-01 00:00 UTC")
    assert "--as-of" in notice


def test_a_few_later_rows_are_not_worth_a_notice(ingest: Callable[..., Ingested], tmp_path: Path) -> None:
    ingest({"in/events.csv": events(*["2026-02-01"] * 99, "2026-03-01")})
    assert later_rows(read_snapshot_info(tmp_path / "data/snapshot")) == []


@pytest.mark.parametrize(
    ("newest", "said"), [("2026-02-26 16:00", "the newest one is 56 h older"), ("2026-02-28 12:00", "")]
)
def test_old_events_are_said_after_the_snapshot(
    ingest: Callable[..., Ingested], tmp_path: Path, newest: str, said: str
) -> None:
    ingest({"in/events.csv": events("2025-12-01", newest)})
    snapshot = tmp_path / "data/snapshot"
    found = old_events(snapshot, read_snapshot_info(snapshot))
    assert bool(found) == bool(said)
    assert said in "".join(found)


def look(settings: Callable[..., Params], root: Path, source: dict[str, str]) -> list[str]:
    data = settings(sources={"products": [{"path": "in/products.csv"}], "events": [source]}).data
    return blank_conditions(data, "events", root)


@pytest.mark.parametrize("where", [NOT_TEST, "status in ('ok', 'paid')", "NOT (status = 'test')"])
def test_blanks_in_a_condition_are_counted(settings: Callable[..., Params], tmp_path: Path, where: str) -> None:
    rows = b"u,a,2026-02-01,view,ok\nu,a,2026-02-02,view,\nu,a,2026-02-03,view,test\nu,b,2026-02-03,view,\n"
    write(tmp_path, {"in/events.csv": HEADER + rows})
    (found,) = look(settings, tmp_path, {"path": "in/events.csv", "where": where})
    assert found.startswith(f"in/events.csv: `where: {where}` is neither true nor false for 2 of 4 rows")
    assert "IS NULL" in found
    kept = f"({where}) OR status IS NULL"
    assert look(settings, tmp_path, {"path": "in/events.csv", "where": kept}) == []


def test_blanks_in_json_lines_and_databases_are_counted(settings: Callable[..., Params], tmp_path: Path) -> None:
    write(tmp_path, {"in/e.jsonl": b'{"user_id": "u", "status": null}\n{"user_id": "u"}\n{"status": "ok"}\nno json\n'})
    (found,) = look(settings, tmp_path, {"path": "in/e.jsonl", "where": NOT_TEST})
    assert "for 2 of 4 rows" in found
    with closing(sqlite3.connect(tmp_path / "in/shop.db")) as db:
        db.execute("CREATE TABLE e (user_id TEXT, status TEXT, item_id TEXT, timestamp TEXT, event TEXT)")
        db.executemany(
            "INSERT INTO e VALUES (?, ?, 'a', '2026-02-01', 'view')", [("u", None), ("v", "ok"), ("w", "test")]
        )
        db.commit()
    source = {"attach": "in/shop.db", "type": "sqlite", "query": "SELECT * FROM e", "where": NOT_TEST}
    (found,) = look(settings, tmp_path, source)
    assert "for 1 of 3 rows" in found


@pytest.mark.parametrize("source", [{"path": "gone.csv", "where": NOT_TEST}, {"path": "in/events.csv"}])
def test_a_source_without_condition_or_file_has_no_notice(
    settings: Callable[..., Params], tmp_path: Path, source: dict[str, str]
) -> None:
    write(tmp_path, {"in/events.csv": events("2026-02-01")})
    assert look(settings, tmp_path, source) == []
