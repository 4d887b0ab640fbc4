"""The columns by hand on a tiny shop, the sample, and the file that goes into the bundle."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import ContractError
from components.monitoring import windows
from tests.components.monitoring.support import SHIFT, write_snapshot

END = datetime(2026, 1, 19, tzinfo=UTC)  # a Monday; window and look-back have 7 days each
GB = 1.0


def event(user: str | None, item: str, day: float, name: str = "view") -> dict[str, Any]:
    """Return an event `day` days after the look-back began."""
    return {"user_id": user, "item_id": item, "timestamp": datetime(2026, 1, 5) + timedelta(days=day), "event": name}


PRODUCTS = [
    {"item_id": "ball", "category": "Toys > ball", "language": "en", "price": 9.0},
    {"item_id": "kite", "category": "Toys", "language": "zh", "price": None},
    {"item_id": "book", "category": "Books > crime", "language": None, "price": 0.0},
    {"item_id": "gift", "category": None, "language": "en", "price": 1.0},
]
EVENTS = [
    event("ann", "ball", 0), event("ann", "ball", 1), event("ann", "book", 2), event("ann", "book", 2.1),
    event("ann", "ball", 3), event("bob", "ball", 4), event("ann", "gift", 5), event("ann", "kite", 6, "impression"),
    event("ann", "ball", 7), event("ann", "kite", 8.5, "cart"), event("ann", "book", 13.75, "purchase"),
    event("cat", "gift", 9), event(None, "ball", 10), event(None, "ball", 11), event("bob", "book", 12, "impression"),
    event("bob", "ball", 14),
]  # fmt: skip


def draw(snapshot: Path, n: int = 100, seed: int = 0, days: float = 7, end: datetime = END) -> windows.Sample:
    return windows.sample_window(snapshot, end, days, n, seed, GB)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_snapshot(tmp_path / "snapshot", EVENTS, PRODUCTS)


def test_columns_by_hand(tiny: Path) -> None:
    rows = draw(tiny).rows.to_pydict()
    assert rows["event"] == ["view", "cart", "view", "view", "view", "purchase"]
    assert rows["category"] == ["Toys", "Toys", None, "Toys", "Toys", "Books"]
    assert rows["language"] == ["en", "zh", "en", "en", "en", None]
    assert rows["hour"] == ["00", "12", "00", "00", "00", "18"]
    assert rows["weekday"] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sun"]
    assert rows["item_new"] == ["known", "new", "known", "known", "known", "known"]
    assert rows["taste"] == pytest.approx([3 / 5, 3 / 5, None, None, None, 2 / 5])  # gift has no category
    assert rows["price_log"] == pytest.approx([np.log(10), None, np.log(2), np.log(10), np.log(10), 0.0])
    mean = (3 + 1) / 2  # ann has 3 events, cat 1; bob's impression and his event at the end do not count
    activity = [np.log(3 / mean), np.log(3 / mean), np.log(1 / mean), None, None, np.log(3 / mean)]
    assert rows["user_activity"] == pytest.approx(activity)


def test_window_is_half_open_and_counted(tiny: Path) -> None:
    sample = draw(tiny)
    assert sample.window.n_events == 6
    assert sample.window.events_per_day == pytest.approx(6 / 7)
    assert sample.newest == datetime(2026, 1, 18, 18, tzinfo=UTC)
    assert sample.window.is_covered()
    assert sample.window.covers_look_back()


def test_each_anonymous_event_is_its_own_group(tiny: Path) -> None:
    user = draw(tiny).user
    assert user is not None
    assert user[0] == user[1] == user[5]
    assert len(set(user.tolist())) == 4


def test_a_short_history_is_reported(tiny: Path) -> None:
    assert not draw(tiny, days=10).window.covers_look_back()
    long = draw(tiny, days=30)
    assert not long.window.is_covered()
    assert long.window.events_per_day == pytest.approx(13 / 14)  # over the available days


def test_empty_window(tiny: Path) -> None:
    sample = draw(tiny, end=END + timedelta(days=300))
    assert sample.rows.num_rows == 0
    assert sample.rows.column_names == list(windows.COLUMNS)
    assert sample.newest is None
    assert sample.window.n_events == 0


def test_sample_follows_the_seed(steady: Path) -> None:
    first, again, other = (draw(steady, 200, seed, 14, SHIFT) for seed in (1, 1, 2))
    assert first.rows.num_rows == 200
    assert first.window.n_events > 400
    assert first.rows.equals(again.rows)
    assert not first.rows.equals(other.rows)


def test_a_saved_sample_loads_with_equal_bytes_and_without_users(steady: Path, tmp_path: Path) -> None:
    sample = draw(steady, 200, 1, 14, SHIFT)
    for name in ("a", "b"):
        windows.save(sample, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    back = windows.load(tmp_path / "a")
    assert back.rows.equals(sample.rows)
    assert back.window == sample.window
    assert back.user is None
    values = {str(v) for column in back.rows.to_pydict().values() for v in column}
    assert not [v for v in values if v.startswith(("user-", "sku-"))]


def test_damaged_file_is_refused(steady: Path, tmp_path: Path) -> None:
    windows.save(draw(steady, 200, 1, 14, SHIFT), tmp_path / "reference.parquet")
    raw = bytearray((tmp_path / "reference.parquet").read_bytes())
    raw[200] ^= 0xFF
    (tmp_path / "reference.parquet").write_bytes(raw)
    with pytest.raises(ContractError, match=r"reference\.parquet"):
        windows.load(tmp_path / "reference.parquet")


def test_other_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"event": ["view"]}), tmp_path / "other.parquet")
    with pytest.raises(ContractError, match="expected a drift reference"):
        windows.load(tmp_path / "other.parquet")
