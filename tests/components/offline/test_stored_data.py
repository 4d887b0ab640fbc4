"""`carousel privacy`: every place with its parameter, and the oldest entry that is there now."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components import params
from components.offline.stored_data import list_stored_data
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.open_event_store import open_event_store
from components.settings import Settings
from components.times import to_micros
from tests.components.data.small import write_snapshot
from tests.support import ROOT

LOADED = params.load(ROOT / "params.yaml")
FIRST = datetime(2026, 1, 3, 10, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("CAROUSEL_EVENT_STORE_URL", raising=False)
    monkeypatch.setenv("CAROUSEL_HOME", str(tmp_path / "home"))
    return Settings().resolved(tmp_path)


def oldest_of(tmp_path: Path, settings: Settings) -> dict[str, datetime]:
    rows = list_stored_data(tmp_path, settings, LOADED)
    return {row.location: row.oldest for row in rows if row.oldest is not None}


def test_where_nothing_is_stored_no_place_has_an_entry(tmp_path: Path, settings: Settings) -> None:
    assert oldest_of(tmp_path, settings) == {}


def test_the_oldest_entry_of_each_place(tmp_path: Path, settings: Settings) -> None:
    shop = settings.shop("carousel")
    write_snapshot(tmp_path / "data/snapshot", [("ann", "a", f"{FIRST:%Y-%m-%d %H:%M:%S}", "view")], ["a"])
    store = open_event_store(None, shop / "serving", "carousel")
    at = to_micros(FIRST)
    store.put([StoredEvent("ann", at + 5, "a", "view"), StoredEvent("bob", at, "a", "view")]).result()
    store.close()
    shown = shop / "serving/exposures"
    shown.mkdir(parents=True)
    for n in (1, 2):
        (shown / f"{at + n}-x.parquet").write_bytes(b"content")
    for name, day in (("audit.jsonl", 9), ("audit.jsonl.1", 2)):
        time = (FIRST + timedelta(days=day)).timestamp()
        (shop / name).write_text(json.dumps({"time": time, "what": "/admin/reload"}) + "\n")
    (shop / "exports").mkdir()
    (shop / "exports/lists.parquet").write_bytes(b"content")
    os.utime(shop / "exports/lists.parquet", (FIRST.timestamp(), FIRST.timestamp()))
    found = oldest_of(tmp_path, settings)
    base = "home/shops/carousel"
    assert found["data/snapshot"] == found[f"{base}/serving/state.db"] == found[f"{base}/exports"] == FIRST
    assert found[f"{base}/serving/exposures"] == FIRST + timedelta(microseconds=1)
    assert found[f"{base}/audit.jsonl"] == FIRST + timedelta(days=2)


def test_every_parameter_exists_and_is_shown_with_its_value(tmp_path: Path, settings: Settings) -> None:
    rows = list_stored_data(tmp_path, settings, LOADED)
    named = {row.parameter: row.value for row in rows if row.parameter}
    for name in named:
        section, leaf = params.section_of(LOADED, name)
        assert hasattr(section, leaf), name
    assert named["serving.event_retention_days"] == str(LOADED.serving.event_retention_days)
    assert named["gc.exposure_days"] == str(LOADED.gc.exposure_days)
    assert named["gc.audit_days"] == "400.0"
    assert all(row.why and row.of and row.until for row in rows)


def test_a_store_in_postgresql_is_named_and_not_asked(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAROUSEL_EVENT_STORE_URL", "postgresql://nobody@127.0.0.1:1/none")
    rows = list_stored_data(tmp_path, Settings().resolved(tmp_path), LOADED)
    row = next(row for row in rows if "PostgreSQL" in row.location)
    assert (row.oldest, row.parameter) == (None, "serving.event_retention_days")
