"""Leaks stop the run; targets that no list can contain are dropped; lists are checked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts import Interactions, Ranked, Users
from components.data.tables import read_info, read_users
from components.errors import ContractError
from components.evaluation.protocol import (
    _twins,
    champion_saw_test,
    check_leakage,
    rank,
    window_users,
)
from components.times import DAY_US
from tests.components.evaluation.support import (
    N_ITEMS,
    N_USERS,
    START,
    Fake,
    edit,
    one_list,
    oracle,
    write_split,
)
from tests.support import ragged


def users_of(history: list[list[int]], targets: list[list[int]]) -> Users:
    return Users(np.arange(1, len(history) + 1, dtype=np.int32), ragged(history), 10 * DAY_US, ragged(targets))


def test_a_clean_split_passes(split: Path, tmp_path: Path) -> None:
    check_leakage(split)
    check_leakage(write_split(tmp_path / "loo", protocol="leave_one_out"))


@pytest.mark.parametrize("window", ["train", "validation", "test"])
@pytest.mark.parametrize("late_by", [0, 1, 100 * DAY_US])
def test_a_planted_future_row_is_leakage(split: Path, window: str, late_by: int) -> None:
    """An event at the very end of its window is already too late: windows end before their end."""
    info = read_info(split)
    end = {"train": info.train_end, "validation": info.validation_end, "test": info.test_end}[window]

    def plant(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        columns["timestamp"][-1] = end + late_by
        return columns

    edit(split, window, plant)
    with pytest.raises(ContractError, match=rf"leakage: .*{window}.parquet has 1 event"):
        check_leakage(split)


def test_a_past_row_in_the_test_window_is_leakage(split: Path) -> None:
    def plant(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        columns["timestamp"][0] = START
        return columns

    edit(split, "test", plant)
    with pytest.raises(ContractError, match=r"leakage: .*test.parquet has 1 event"):
        check_leakage(split)


def test_leave_one_out_keeps_each_users_order(tmp_path: Path) -> None:
    """Another user's later event is no leak there; the same user's is."""
    split = write_split(tmp_path / "loo", protocol="leave_one_out")

    def of_user(user: int, time: int) -> None:
        def plant(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            columns["timestamp"][np.flatnonzero(columns["user_idx"] == user)[-1]] = time
            return columns

        edit(split, "train", plant)

    of_user(5, START + 30 * DAY_US)  # a tie with the user's first validation event, in source order
    check_leakage(split)
    of_user(0, START + 99 * DAY_US)  # anonymous
    check_leakage(split)
    of_user(5, START + 45 * DAY_US)
    with pytest.raises(ContractError, match="leakage"):
        check_leakage(split)


@pytest.mark.parametrize("later", ["validation", "test"])
def test_leave_one_out_refuses_an_event_that_is_in_training_too(tmp_path: Path, later: str) -> None:
    """Even with equal times (such as dates), where the order is no evidence."""
    split = write_split(tmp_path / "loo", protocol="leave_one_out")
    for code, window in enumerate(("train", "validation", "test")):

        def tied(columns: dict[str, np.ndarray], code: int = code) -> dict[str, np.ndarray]:
            columns["timestamp"][:], columns["event"][:] = START, code
            return columns

        edit(split, window, tied)
    check_leakage(split)
    source = pq.read_table(split / f"{later}.parquet")
    row = int(np.flatnonzero(source["user_idx"].to_numpy() > 0)[0])
    rows = pa.concat_tables([pq.read_table(split / "train.parquet"), source.slice(row, 1)])
    pq.write_table(rows, split / "train.parquet", write_page_checksum=True)
    with pytest.raises(ContractError, match=rf"leakage: .*train.parquet holds 1 event\(s\) of {later}.parquet"):
        check_leakage(split)


def test_seen_targets_and_users_without_other_targets_are_dropped() -> None:
    users = users_of([[1, 2], [3], [], [4]], [[2, 5, 5], [3, 3], [7], [9, 4]])
    left = users.without_seen()
    assert left.user_idx.tolist() == [1, 3, 4]
    assert [left.ground_truth.row(i).tolist() for i in range(3)] == [[5, 5], [7], [9]]
    assert [left.history.row(i).tolist() for i in range(3)] == [[1, 2], [], [4]]
    assert left.now == users.now


def test_window_users_with_and_without_repeats(split: Path) -> None:
    everyone, fresh = window_users(split, "test", False), window_users(split, "test", True)
    assert len(everyone) == N_USERS
    assert len(everyone.ground_truth.item_idx) == 4 * N_USERS
    repeats = sum(
        bool(set(everyone.history.row(i)) & set(everyone.ground_truth.row(i))) for i in range(N_USERS)
    )  # odd users buy their first item again, except user 1, who is new
    assert repeats == N_USERS // 2 - 1
    assert len(fresh.ground_truth.item_idx) == 4 * N_USERS - repeats


def test_a_window_without_users_is_an_error_with_advice(split: Path) -> None:
    def repeat(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        history = read_users(split, "test").history
        columns["target"] &= False
        columns["target"][-1], columns["item_idx"][-1] = True, history.item_idx[-1]
        return columns

    edit(split, "test", repeat)
    assert len(window_users(split, "test", False)) == 1
    with pytest.raises(ContractError, match=r"0 users with a target left \(of 1\).*split.test_days"):
        window_users(split, "test", True)


def test_ranking_in_batches_equals_ranking_at_once_and_hides_the_targets(split: Path) -> None:
    users, model = window_users(split, "test", True), Fake("ease", oracle())
    small, large = (rank(model, users, 5, True, N_ITEMS, batch_users=b) for b in (7, 1000))
    assert np.array_equal(small, large)
    assert max(len(batch) for batch in model.asked[:-1]) == 7
    assert all(batch.targets is None for batch in model.asked)


def repeat_first(ranked: Ranked) -> Ranked:
    items = ranked.items.copy()
    items[:, 1] = items[:, 0]
    return replace(ranked, items=items)


def nan_scores(ranked: Ranked) -> Ranked:
    scores = ranked.scores.copy()
    scores[-1, -1] = np.nan
    return replace(ranked, scores=scores)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (repeat_first, "lists an item twice"),
        (nan_scores, "NaN scores"),
        (lambda r: Ranked(r.items[:, :3], r.scores[:, :3]), "lists of shape"),
        (lambda r: replace(r, items=r.items + 1000), "catalogue has 1..40"),
        (lambda r: replace(r, items=-r.items), "catalogue has 1..40"),
        (lambda r: replace(r, items=r.items * 0), "has no item for any"),
    ],
)
def test_a_list_that_breaks_its_contract_is_an_error(split: Path, spoil: object, message: str) -> None:
    users = window_users(split, "test", True)
    with pytest.raises(ContractError, match=f"model als .*{message}"):
        rank(Fake("als", oracle(), spoil), users, 5, True, N_ITEMS, 16)


def test_a_model_that_lists_seen_items_is_an_error(split: Path) -> None:
    users = window_users(split, "test", True)
    sloppy = Fake("als", one_list, broken=lambda r: Ranked(np.tile(np.arange(1, 31), (len(r.items), 1)), r.scores))
    with pytest.raises(ContractError, match="had before"):
        rank(sloppy, users, 30, True, N_ITEMS, 100)
    assert rank(sloppy, users, 30, False, N_ITEMS, 100).shape == (len(users), 30)


def test_an_earlier_champion_has_not_seen_the_test_window(split: Path) -> None:
    info = read_info(split)
    start = info.starts("test")
    assert not champion_saw_test(info.train_end, info.validation_end, info, True)  # trained in this run
    assert not champion_saw_test(start - DAY_US, start, info, False)
    assert champion_saw_test(start + 1, start + 1, info, False)  # trained on the window's first event
    assert champion_saw_test(start - 2 * DAY_US, start + DAY_US, info, False)  # tuned on it


def test_leave_one_out_trusts_only_a_champion_of_the_same_split(split: Path) -> None:
    info = read_info(split).model_copy(update={"protocol": "leave_one_out"})
    assert not champion_saw_test(info.train_end, info.validation_end, info, True)
    assert champion_saw_test(info.train_end, info.validation_end, info, False)
    assert champion_saw_test(info.train_end - DAY_US, info.validation_end, info, True)


def test_a_history_that_reaches_into_the_window_is_named(split: Path) -> None:
    def late(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        row = np.flatnonzero(columns["user_idx"] == pq.read_table(split / "validation.parquet")["user_idx"][0].as_py())
        columns["timestamp"][row[-1]] = START + 99 * DAY_US
        return columns

    edit(split, "train", late)
    with pytest.raises(ContractError, match=r"leakage: .*1 event\(s\) of train.parquet are not before 20.*`split`"):
        window_users(split, "validation", exclude_seen=True)


@given(st.data())
def test_shared_events_equal_those_of_a_naive_search(data: st.DataObject) -> None:
    row = st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 2), st.integers(0, 1))
    rows = [data.draw(st.lists(row, max_size=12)) for _ in range(2)]
    windows = []
    for drawn in rows:
        columns = np.array(drawn, np.int64).reshape(-1, 4).T
        one = np.ones(len(drawn), np.float32)
        windows.append(Interactions(*columns[:3], columns[3].astype(np.int8), one, n_users=2, n_items=3, now=9))
    known = [{r for r in drawn if r[0] > 0} for drawn in rows]
    assert _twins(*windows) == len(known[0] & known[1])
