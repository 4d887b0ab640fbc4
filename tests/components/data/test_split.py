"""The content of each window, and protection against leakage."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import params
from components.data.snapshot import read_snapshot_info, take_snapshot
from components.data.split import Holdout, make_split
from components.data.tables import read_catalogue, read_info, read_interactions, read_users
from components.errors import ContractError
from components.times import DAY_US, to_micros
from tests.components.data.support import TIME, Cut, purchases

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
ONE_OUT = {**TIME, "protocol": "leave_one_out"}


def test_windows_are_ordered_in_time(cut: Cut) -> None:
    out, info = cut(purchases("a", "01-10", "02-14", "02-15", "02-21", "02-22", "02-28"))
    end = to_micros(AS_OF)
    assert (info.train_end, info.validation_end, info.test_end) == (end - 14 * DAY_US, end - 7 * DAY_US, end)
    items = [read_interactions(out, (w,)).item_idx.tolist() for w in ("train", "validation", "test")]
    assert items == [[1, 2], [3, 4], [5, 6]]
    assert read_info(out) == info


def test_a_window_begins_at_its_first_microsecond(cut: Cut) -> None:
    out, _ = cut(purchases("a", "02-14 23:59:59.999999", "02-15 00:00:00", "02-21 23:59:59.999999", "02-22 00:00:00"))
    assert [len(read_interactions(out, (w,))) for w in ("train", "validation", "test")] == [1, 2, 1]


def test_users_have_history_before_the_window_and_targets_in_it(cut: Cut) -> None:
    view = ("a", "i9", "2026-02-23", "view")
    out, _ = cut([*purchases("a", "01-10", "02-15", "02-22"), view, *purchases("b", "02-22")])
    test = read_users(out, "test")
    assert test.user_idx.tolist() == [1, 2]
    assert [test.history.row(i).tolist() for i in (0, 1)] == [[1, 2], []]
    assert test.targets is not None
    assert [test.targets.row(i).tolist() for i in (0, 1)] == [[3], [1]]


def test_only_events_with_a_weight_are_in_the_split(cut: Cut) -> None:
    extra = [("a", "i3", "2026-01-11", "impression"), ("only clicks", "i3", "2026-01-11", "click")]
    out, info = cut([*purchases("a", "01-10", "02-15", "02-22"), *extra, ("a", "i4", "2026-01-12", "view")])
    train = read_interactions(out)
    assert train.item_idx.tolist() == [1, 4]
    assert train.weight.tolist() == [1.0, 0.5]
    assert info.n_users == 1
    assert "only clicks" not in pq.read_table(out / "users.parquet")["user_id"].to_pylist()


def test_anonymous_events_count_for_items_only(cut: Cut) -> None:
    anonymous = [("", "i5", "2026-01-10", "purchase"), ("", "i6", "2026-02-23", "purchase")]
    out, info = cut([*purchases("a", "01-10", "02-15", "02-22"), *anonymous], anonymous_events=True)
    train = read_interactions(out)
    assert list(zip(train.user_idx.tolist(), train.item_idx.tolist(), strict=True)) == [(0, 5), (1, 1)]
    assert info.n_users == 1
    assert read_users(out, "test").user_idx.tolist() == [1]


def test_equal_times_keep_the_order_of_the_source(cut: Cut) -> None:
    order = [7, 3, 9, 1, 5]
    rows = [("a", f"i{n}", "2026-01-10", "purchase") for n in order]
    out, _ = cut([*rows, *purchases("a", "02-15", "02-22")])
    assert read_interactions(out).item_idx.tolist() == order


def test_every_product_is_in_the_catalogue_and_events_of_unknown_items_are_left_out(cut: Cut) -> None:
    events = [*purchases("a", "01-10", "02-15", "02-22"), ("a", "dropped", "2026-01-09", "purchase")]
    out, info = cut(events, max_unknown_share=0.5)
    catalogue = read_catalogue(out)
    assert info.n_items == len(catalogue) == 9
    assert "dropped" not in catalogue.item_id
    assert len(read_interactions(out)) == 1


def test_leave_one_out_takes_the_last_two_targets(cut: Cut) -> None:
    rows = [("a", f"i{n}", "2026-01-10", "purchase") for n in (4, 2, 8, 6)]
    out, info = cut([*rows, *purchases("short", "01-01", "01-02")], ONE_OUT)
    assert read_interactions(out).item_idx.tolist() == [4, 2, 1, 2]
    for window, history, target in (("validation", [4, 2], [8]), ("test", [4, 2, 8], [6])):
        users = read_users(out, window)
        assert users.user_idx.tolist() == [1]
        assert users.history.row(0).tolist() == history
        assert users.targets is not None
        assert users.targets.row(0).tolist() == target
    assert info.train_end == info.test_end == to_micros(AS_OF)


def test_ties_are_shuffled_by_a_seed_and_not_by_the_order_of_rows(cut: Cut) -> None:
    order = [7, 3, 9, 1, 5, 8, 2, 4]
    rows = [("a", f"i{n}", "2026-01-10", "purchase") for n in order]
    later = purchases("a", "01-11", "01-12")

    def items(rows: list[tuple[str, str, str, str]], seed: int | None) -> list[int]:
        out, _ = cut([*rows, *later], {**ONE_OUT, "shuffle_ties": seed})
        return read_interactions(out).item_idx.tolist()

    drawn = [items(rows, seed) for seed in (1, 2, 3)]
    assert items(rows, None) == order
    assert all(sorted(found) == sorted(order) and found != order for found in drawn)
    assert len({tuple(found) for found in drawn}) == 3
    assert items(rows[::-1], 1) == drawn[0]


def test_leave_one_out_counts_targets_and_views_stay_in_the_history_before_them(cut: Cut) -> None:
    kinds = ["purchase", "view", "purchase", "view", "purchase", "view"]
    rows = [("a", f"i{n}", f"2026-01-{n:02d}", kind) for n, kind in enumerate(kinds, 1)]
    out, _ = cut(rows, ONE_OUT)
    validation, test = read_users(out, "validation"), read_users(out, "test")
    assert validation.history.row(0).tolist() == [1, 2]
    assert test.history.row(0).tolist() == [1, 2, 3, 4]  # not the view after the test purchase
    assert test.targets is not None
    assert test.targets.row(0).tolist() == [5]


def test_leave_one_out_counts_equal_events_at_one_time_once(cut: Cut) -> None:
    """Such as two lines of one basket: otherwise one would be the target and the other in the history."""
    rows = [("a", f"i{n}", "2026-01-10", "purchase") for n in (4, 2, 8)]
    twice = [(*row, quantity) for row in rows for quantity in ("1", "2")]
    out, _ = cut([*twice, ("a", "i8", "2026-01-11", "purchase", "1")], ONE_OUT)
    test = read_users(out, "test")
    assert test.history.row(0).tolist() == [4, 2, 8]
    assert test.targets is not None
    assert test.targets.row(0).tolist() == [8]  # an equal event on another day counts separately


def test_events_after_as_of_in_the_snapshot_are_refused(cut: Cut, tmp_path: Path, settings: Callable[..., Any]) -> None:
    cut(purchases("a", "01-10", "02-15", "02-22"))
    path = tmp_path / "data/snapshot/events/month=2026-01/part-0.parquet"
    rows = pq.read_table(path)
    future = pa.array([datetime(2026, 3, 1)], pa.timestamp("us"))
    pq.write_table(rows.set_column(rows.column_names.index("timestamp"), "timestamp", future), path)
    with pytest.raises(ContractError, match="leakage: 1 rows"):
        make_split(tmp_path / "data/snapshot", tmp_path / "data/split", settings({"split": TIME}).split, AS_OF, 1.0)


def test_a_later_snapshot_is_refused(cut: Cut, tmp_path: Path, settings: Callable[..., Any]) -> None:
    cut(purchases("a", "01-10", "02-15", "02-22"))
    earlier = datetime(2026, 2, 28, tzinfo=UTC)
    with pytest.raises(ContractError, match="leakage through its catalogue"):
        make_split(tmp_path / "data/snapshot", tmp_path / "data/split", settings({"split": TIME}).split, earlier, 1.0)


def test_rows_of_the_source_after_as_of_are_not_in_the_split(cut: Cut, tmp_path: Path) -> None:
    rows = purchases("a", "01-10", "02-15", "02-22", "03-01", "03-02")
    out, _ = cut(rows)
    counts = read_snapshot_info(tmp_path / "data/snapshot").counts["events"]
    assert (counts.valid, counts.after_as_of) == (3, 2)
    everything = read_interactions(out, ("train", "validation", "test"))
    assert everything.timestamp.max() < to_micros(AS_OF)


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (
            ("02-15", "02-22"),
            r"the train window \(before 2026-02-15 00:00\) has no events: lower split.validation_days",
        ),
        (("01-10", "02-22"), r"the validation window \(2026-02-15 00:00 to .*\) has no purchase .*: raise split.valid"),
        (("01-10", "02-15"), r"the test window \(.* to 2026-03-01 00:00\) has no purchase .*: raise split.test_days"),
    ],
)
def test_an_empty_window_is_named_with_what_fills_it(cut: Cut, days: tuple[str, ...], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        cut(purchases("a", *days))


def test_an_empty_holdout_does_not_blame_the_windows_of_a_retrain(cut: Cut) -> None:
    champion_end = datetime(2026, 2, 27, tzinfo=UTC)
    with pytest.raises(ContractError, match=r"the holdout .* 2026-02-27 00:00, .* new events arrive") as raised:
        cut(purchases("a", "01-10", "02-22"), holdout=holdout(1, not_before=champion_end))
    assert "refresh.max_holdout_days (7)" in str(raised.value)
    assert "split.test_days" not in str(raised.value)


def test_the_same_snapshot_gives_the_same_bytes(cut: Cut) -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{rng.integers(50)}", f"i{rng.integers(1, 10)}", f"2026-02-{rng.integers(1, 29):02d}", "purchase")
            for _ in range(2000)]  # fmt: skip
    out, _ = cut(rows)
    first = {p.name: p.read_bytes() for p in out.iterdir()}
    out, _ = cut(rows)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == first


@pytest.mark.real_data
def test_amazon_beauty_is_split_as_papers_do(real_data: Path, tmp_path: Path) -> None:
    """The test item of each user is the last of its line in Beauty.txt, the history all before it."""

    root = Path(__file__).parents[3]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/amazon_beauty").symlink_to(real_data / "amazon_beauty_2014")
    beauty = params.load(root / "params.yaml", [root / "examples/amazon_beauty/params.yaml"])
    for name in ("snapshot", "split"):
        (tmp_path / name).mkdir()
    take_snapshot(beauty.data, tmp_path, tmp_path / "snapshot", tmp_path / "quarantine")
    make_split(tmp_path / "snapshot", tmp_path / "split", beauty.split, beauty.data.as_of, 4)
    users = read_users(tmp_path / "split", "test")
    item_ids = np.array(read_catalogue(tmp_path / "split").item_id)
    user_ids = pq.read_table(tmp_path / "split/users.parquet")["user_id"].to_pylist()
    text = (real_data / "amazon_beauty_2014/Beauty.txt").read_text()
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert len(users) == 22_363
    assert users.targets is not None
    for row in range(0, len(users), 7):
        events = [*item_ids[users.history.row(row)], *item_ids[users.targets.row(row)]]
        assert events == lines[user_ids[users.user_idx[row] - 1]][-len(events) :]


def holdout(
    min_users: int, max_days: int = 7, not_before: datetime | None = None, exclude_seen: bool = True
) -> Holdout:
    return Holdout(min_users, max_days, not_before, exclude_seen)


REFRESHED = [
    *purchases("a", "01-10", "02-12", "02-28"),
    *purchases("b", "01-10", "02-13", "02-27"),
    *purchases("c", "01-10", "02-14", "02-26"),
    ("d", "i1", "2026-02-20", "purchase"),
    ("d", "i1", "2026-02-28", "purchase"),  # not new to the user
]


@pytest.mark.parametrize(
    ("wanted", "days"),
    [(holdout(1), 1), (holdout(2), 2), (holdout(3), 3), (holdout(4), 7), (holdout(9, 5), 5)],
)
def test_a_holdout_is_the_fewest_days_with_enough_users(cut: Cut, wanted: Holdout, days: int) -> None:
    out, info = cut(REFRESHED, holdout=wanted)
    end = to_micros(AS_OF)
    assert (info.validation_end, info.test_end) == (end - days * DAY_US, end)
    assert info.train_end == info.validation_end - 7 * DAY_US
    assert info.fit_windows == ("train", "validation")
    assert info.fit_end == info.validation_end
    assert (read_interactions(out).timestamp < info.validation_end).all()
    assert len(read_interactions(out)) == len(read_interactions(out, ("train", "validation")))


def test_where_items_may_repeat_a_repeated_purchase_is_a_target(cut: Cut) -> None:
    _, info = cut(REFRESHED, holdout=holdout(2, exclude_seen=False))
    assert info.validation_end == to_micros(AS_OF) - DAY_US


def test_a_holdout_starts_where_the_champion_ended_or_later(cut: Cut) -> None:
    _, info = cut(REFRESHED, holdout=holdout(9, not_before=datetime(2026, 2, 25, 12, tzinfo=UTC)))
    assert info.validation_end == to_micros(datetime(2026, 2, 26, tzinfo=UTC))
    with pytest.raises(ContractError, match=r"nothing to refresh with: .* 2026-02-28 12:00"):
        cut(REFRESHED, holdout=holdout(1, not_before=datetime(2026, 2, 28, 12, tzinfo=UTC)))


def test_leave_one_out_has_no_holdout(cut: Cut) -> None:
    with pytest.raises(ContractError, match=r"split\.protocol"):
        cut(REFRESHED, ONE_OUT, holdout=holdout(1))
