"""A run sees a real shop as of now, or as of the run before it, if that was today and on the same sources."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components import params
from components.params import DataParams
from components.stages import moment

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def data_as_of(as_of: datetime, sources: str = "{products: [{path: p.csv}], events: [{path: e.csv}]}") -> DataParams:
    overrides = ["data.simulated=false", f"data.sources={sources}", f'data.as_of="{as_of.isoformat()}"']
    return params.load(Path(__file__).parents[3] / "params.yaml", overrides=overrides).data


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "p.csv").write_text("item_id\na\n")
    (tmp_path / "e.csv").write_text("user_id,item_id\nu,a\n")
    return tmp_path


def test_the_first_run_sees_the_shop_as_of_now(shop: Path) -> None:
    assert moment.choose(shop, data_as_of(NOON), shop, NOON.replace(microsecond=7)) == NOON


def test_a_run_on_the_same_sources_keeps_the_moment_for_a_day(shop: Path) -> None:
    moment.store(shop, data_as_of(NOON), shop)
    later = NOON + timedelta(hours=23)
    assert moment.choose(shop, data_as_of(later), shop, later) == NOON
    next_day = NOON + timedelta(hours=24)
    assert moment.choose(shop, data_as_of(next_day), shop, next_day) == next_day
    before = NOON - timedelta(hours=1)  # the clock was set back
    assert moment.choose(shop, data_as_of(before), shop, before) == before


def test_new_rows_are_seen_at_once(shop: Path) -> None:
    moment.store(shop, data_as_of(NOON), shop)
    (shop / "e.csv").write_text("user_id,item_id\nu,a\nu,b\n")
    later = NOON + timedelta(minutes=1)
    assert moment.choose(shop, data_as_of(later), shop, later) == later


def test_a_database_server_may_have_new_rows_at_any_time(shop: Path) -> None:
    server = "{type: postgres, attach: dbname=shop, query: select 1}"
    sources = f"{{products: [{{path: p.csv}}], events: [{server}]}}"
    moment.store(shop, data_as_of(NOON, sources), shop)
    later = NOON + timedelta(minutes=1)
    assert moment.choose(shop, data_as_of(later, sources), shop, later) == later


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"as_of": "2026-06-01T11:00:00"}', b"\xff"])
def test_a_damaged_file_counts_as_none(shop: Path, content: bytes) -> None:
    moment.store(shop, data_as_of(NOON - timedelta(hours=1)), shop)
    (shop / moment.FILE).write_bytes(content)
    assert moment.choose(shop, data_as_of(NOON), shop, NOON) == NOON
