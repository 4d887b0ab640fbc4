"""Slices hold the targets that they name, and no others."""

from pathlib import Path

import numpy as np

from components.contracts import Users
from components.data.tables import read_catalogue, read_interactions
from components.evaluation.protocol import window_users
from components.evaluation.slices import slice_masks, trained_items
from tests.components.evaluation.support import N_ITEMS
from tests.support import ragged


def test_slices_of_a_split(split: Path) -> None:
    users, catalogue = window_users(split, "test", True), read_catalogue(split)
    trained = trained_items(read_interactions(split).item_idx, N_ITEMS)
    masks = slice_masks(users, catalogue, trained, cold_user_events=3)
    assert list(masks) == [
        "all", "user:cold", "user:warm", "item:cold", "item:warm", "language:en", "language:unknown", "language:zh",
    ]  # fmt: skip
    targets = users.ground_truth
    assert masks["all"].all()
    for one, other in (("user:cold", "user:warm"), ("item:cold", "item:warm")):
        assert (masks[one] ^ masks[other]).all()
    assert np.flatnonzero(targets.filter(masks["user:cold"]).lengths).tolist() == [0]  # user 1 is new
    assert set(targets.item_idx[masks["item:cold"]]) == {40}
    assert set(targets.item_idx[masks["language:zh"]] % 3) == {0}
    languages = [masks[f"language:{code}"] for code in ("en", "unknown", "zh")]
    assert np.sum(languages, axis=0).tolist() == [1] * len(targets.item_idx)


def test_cold_means_fewer_events_than_the_parameter(split: Path) -> None:
    catalogue = read_catalogue(split)
    users = Users(np.array([1, 2, 3], np.int32), ragged([[], [1, 2], [1, 2, 3]]), 9, ragged([[7], [8, 9], [10]]))
    trained = np.ones(N_ITEMS + 1, dtype=bool)
    masks = slice_masks(users, catalogue, trained, cold_user_events=3)
    assert masks["user:cold"].tolist() == [True, True, True, False]
    assert "item:cold" not in masks  # no targets, no slice
    assert "user:cold" not in slice_masks(keep_row(users, 2), catalogue, trained, cold_user_events=3)


def keep_row(users: Users, row: int) -> Users:
    return Users(users.user_idx[[row]], ragged([list(users.history.row(row))]), 9, ragged([[10]]))


def test_trained_items_are_those_of_the_events() -> None:
    assert trained_items(np.array([2, 2, 4], np.int32), 5).tolist() == [False, False, True, False, True, False]


def test_targets_on_a_later_day_are_apart_from_those_of_the_same_day(split: Path) -> None:
    users, catalogue = window_users(split, "test", True), read_catalogue(split)
    trained = np.ones(N_ITEMS + 1, dtype=bool)
    shifted = users.ground_truth
    newest = np.array([users.history.timestamp[users.history.rows == i].max(initial=-1) for i in range(len(users))])
    moved = (np.arange(len(shifted.item_idx)) % 2 == 0) & (newest[shifted.rows] >= 0)  # the first user has no history
    shifted.timestamp[moved] = newest[shifted.rows][moved]
    masks = slice_masks(users, catalogue, trained, 3, by_day=True)
    assert (masks["target:later_day"] ^ masks["target:same_day"]).all()
    assert masks["target:same_day"].tolist() == moved.tolist()
    assert "target:later_day" not in slice_masks(users, catalogue, trained, 3)
