"""Rows for lists that are made anew before each target event, and which question about time decides."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from components.data.tables import read_info
from components.errors import ContractError
from components.evaluation.protocol import blend_users, next_event_users, question_users, window_users
from components.params import Params, SelectionParams
from components.times import DAY_US
from tests.components.evaluation.support import N_USERS, edit, small_params


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_before_each_event_the_history_holds_all_earlier_ones(split: Path, exclude_seen: bool) -> None:
    users = window_users(split, "test", exclude_seen)
    rows = next_event_users(split, "test", users, exclude_seen, 1000)
    line = np.searchsorted(users.user_idx, rows.user_idx)
    assert rows.user_idx.tolist() == users.user_idx[line].tolist()
    assert (np.diff(line) >= 0).all()
    expected = []
    for i, user in enumerate(users.user_idx):
        everything = window_users(split, "test", False)
        at = int(np.flatnonzero(everything.user_idx == user)[0])
        before, targets = everything.history.row(at).tolist(), everything.ground_truth.row(at).tolist()
        for target in targets:
            if not (exclude_seen and target in before):
                expected.append((i, before.copy(), target))
            before.append(target)
    found = [(int(line[n]), rows.history.row(n).tolist(), int(rows.ground_truth.row(n)[0])) for n in range(len(rows))]
    assert found == expected


def test_events_at_one_time_do_not_predict_each_other(split: Path) -> None:
    def at_once(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        columns["timestamp"][:] = read_info(split).starts("test") + DAY_US
        return columns

    edit(split, "test", at_once)
    users = window_users(split, "test", False)
    rows = next_event_users(split, "test", users, False, 1000)
    line = rows.user_row
    assert len(rows) == len(users.ground_truth.item_idx)
    assert all(rows.history.row(n).tolist() == users.history.row(line[n]).tolist() for n in range(len(rows)))


def test_a_product_is_a_target_before_it_is_viewed(split: Path) -> None:
    """Each purchase follows a view of the product: a list without seen products is made before the view."""

    def view(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows = np.sort(np.tile(np.arange(len(columns["item_idx"])), 2))
        both = {name: values[rows].copy() for name, values in columns.items()}
        views = np.arange(len(rows)) % 2 == 0
        both["event"][views], both["target"][views] = 0, False
        both["timestamp"][~views] += DAY_US // 2
        return both

    users = window_users(split, "test", True)
    plain = next_event_users(split, "test", users, True, 1000)
    edit(split, "test", view)
    rows = next_event_users(split, "test", users, True, 1000)
    assert rows.user_idx.tolist() == plain.user_idx.tolist()
    assert rows.ground_truth.item_idx.tolist() == plain.ground_truth.item_idx.tolist()
    for n in range(len(rows)):
        assert list(dict.fromkeys(rows.history.row(n).tolist())) == list(dict.fromkeys(plain.history.row(n).tolist()))
    listed = next_event_users(split, "test", window_users(split, "test", False), False, 1000)
    assert listed.history.row(0)[-1] == listed.ground_truth.row(0)[0]  # a list may repeat what was just viewed


def test_of_too_many_events_whole_users_are_left_out(split: Path) -> None:
    users = window_users(split, "test", True)
    every = next_event_users(split, "test", users, True, 1000).user_idx
    some = next_event_users(split, "test", users, True, len(every) // 3).user_idx
    assert 0.2 * len(users) < len(np.unique(some)) < 0.45 * len(users)
    assert all((some == user).sum() == (every == user).sum() for user in np.unique(some))


def test_histories_that_grow_stay_within_the_models_limit(split: Path) -> None:
    info = read_info(split)
    (split / "split.json").write_text(info.model_copy(update={"max_history": 2}).model_dump_json())
    users = window_users(split, "test", False)
    rows = next_event_users(split, "test", users, False, 1000)
    line = rows.user_row
    assert rows.history.lengths.max() == 2
    last = np.flatnonzero(line == line[-1])
    assert rows.history.row(last[-1]).tolist() == [int(rows.ground_truth.row(n)[0]) for n in last[-3:-1]]


def test_the_question_that_decides_names_the_rows_of_a_window(split: Path, params: Params) -> None:
    """In validation, histories grow by its events alone, and hold none of the test window."""
    frozen = question_users(split, "validation", params)
    expected = window_users(split, "validation", True)
    assert frozen.user_idx.tolist() == expected.user_idx.tolist()
    assert frozen.ground_truth.item_idx.tolist() == expected.ground_truth.item_idx.tolist()
    rows = question_users(split, "validation", small_params("gate.primary=next_event"))
    assert rows.now == read_info(split).validation_end
    assert rows.ground_truth.lengths.tolist() == [1] * 2 * (N_USERS - 1)
    assert rows.user_row.tolist() == [n for n in range(N_USERS - 1) for _ in range(2)]
    assert rows.history.lengths[:4].tolist() == [6, 7, 6, 7]
    assert rows.history.timestamp.max() < rows.now


def test_a_limit_that_leaves_no_user_is_an_error_with_advice(split: Path) -> None:
    with pytest.raises(ContractError, match=r"test window: evaluation.next_events 1 is less than .* raise it"):
        question_users(split, "test", small_params("gate.primary=next_event", "evaluation.next_events=1"))


def test_with_a_recipe_a_blend_gets_no_rows_of_its_own(split: Path) -> None:
    asked = small_params("gate.primary=next_event")
    assert len(blend_users(split, asked)) == 2 * (N_USERS - 1)
    recipe = SelectionParams(
        recommender="als", best_simple="popularity", language="", sequence_epochs=None, ranker_epochs=None, blend=None,
        selected_until=datetime(2025, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert len(blend_users(split, asked.model_copy(update={"selection": recipe}))) == N_USERS - 1
