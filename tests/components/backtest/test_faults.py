"""What each planted fault does to the data as of its date."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.backtest.cuts import cut_snapshot
from components.backtest.faults import FAULTS, Plant
from components.data.partitions import read_table
from components.errors import ParamsError
from tests.components.backtest.support import day

AS_OF = day(70)
RECENT = (AS_OF - timedelta(days=28)).replace(tzinfo=None)
Rows = list[dict[str, Any]]


def cut(snapshot: Path, out: Path, fault: str | None) -> tuple[Rows, Rows]:
    """Return the rows of events and products."""
    cut_snapshot(snapshot, out / str(fault), AS_OF, fault, 1.0)
    events, products = (read_table(out / str(fault), table).to_pylist() for table in ("events", "products"))
    return events, products


def test_permuted_exchanges_the_items_of_recent_events(snapshot: Path, tmp_path: Path) -> None:
    (sound, products), (found, same) = cut(snapshot, tmp_path, None), cut(snapshot, tmp_path, "permuted")
    assert same == products
    assert [row["timestamp"] for row in found] == [row["timestamp"] for row in sound]
    old = sum(row["timestamp"] < RECENT for row in sound)
    assert found[:old] == sound[:old]
    pairs = {(a["item_id"], b["item_id"]) for a, b in zip(sound[old:], found[old:], strict=True)}
    items = {a for a, _ in pairs}
    assert len(pairs) == len(items)  # one new item for each
    assert items == {b for _, b in pairs}
    assert sum(a != b for a, b in pairs) > 0.8 * len(items)


def test_users_exchanges_the_users_of_recent_events(snapshot: Path, tmp_path: Path) -> None:
    (sound, _), (found, _) = cut(snapshot, tmp_path, None), cut(snapshot, tmp_path, "users")
    assert [(row["timestamp"], row["item_id"]) for row in found] == [(r["timestamp"], r["item_id"]) for r in sound]
    old = sum(row["timestamp"] < RECENT for row in sound)
    assert found[:old] == sound[:old]
    pairs = {(a["user_id"], b["user_id"]) for a, b in zip(sound[old:], found[old:], strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert all((a is None) == (b is None) for a, b in pairs)  # events without a user stay without one
    assert sum(a != b for a, b in pairs) > 0.8 * len(pairs)


def test_doubled_repeats_recent_events_before_the_moment(snapshot: Path, tmp_path: Path) -> None:
    (sound, _), (found, _) = cut(snapshot, tmp_path, None), cut(snapshot, tmp_path, "doubled")
    recent = [row for row in sound if row["timestamp"] >= RECENT]
    assert len(found) == len(sound) + len(recent)
    assert max(row["timestamp"] for row in found) < AS_OF.replace(tzinfo=None)
    assert Counter((r["user_id"], r["item_id"]) for r in found if r["timestamp"] >= RECENT) == Counter(
        {pair: 2 * n for pair, n in Counter((r["user_id"], r["item_id"]) for r in recent).items()}
    )


def test_returns_become_purchases(snapshot: Path, tmp_path: Path) -> None:
    (sound, _), (found, _) = cut(snapshot, tmp_path, None), cut(snapshot, tmp_path, "returns")
    assert Counter(row["event"] for row in found) == {"purchase": len(sound)}
    assert 0 < Counter(row["event"] for row in sound)["return"] < 0.2 * len(sound)


def test_catalogue_loses_a_third_of_the_products(snapshot: Path, tmp_path: Path) -> None:
    (sound, products), (events, found) = cut(snapshot, tmp_path, None), cut(snapshot, tmp_path, "catalogue")
    assert events == sound
    assert all(row in products for row in found)
    assert 0.55 < len(found) / len(products) < 0.8


def test_gap_ends_the_events_a_week_earlier(snapshot: Path, tmp_path: Path) -> None:
    (sound, _), (found, _) = cut(snapshot, tmp_path, None), cut(snapshot, tmp_path, "gap")
    end = (AS_OF - timedelta(days=7)).replace(tzinfo=None)
    assert found == [row for row in sound if row["timestamp"] < end]


def test_prices_are_multiplied(snapshot: Path, tmp_path: Path) -> None:
    sound, found = cut(snapshot, tmp_path, None), cut(snapshot, tmp_path, "prices")
    for before, after in zip(sound, found, strict=True):
        assert [row["price"] for row in after] == [100 * row["price"] for row in before]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("gap", Plant("gap")), ("gap@2026-03-05", Plant("gap", datetime(2026, 3, 5, tzinfo=UTC)))],
)
def test_a_plant_is_a_fault_with_or_without_a_date(text: str, expected: Plant) -> None:
    assert Plant.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("typo", r"unknown fault 'typo'; expected one of \['catalogue', 'doubled'"),
        ("gap@soon", "expected a date such as gap@2011-09-07, got 'soon'"),
        ("gap@", "expected a date such as gap@2011-09-07, got ''"),
    ],
)
def test_a_wrong_plant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        Plant.parse(text)


def test_every_fault_says_what_it_means() -> None:
    assert all(fault.meaning and (fault.events or fault.products) for fault in FAULTS.values())
