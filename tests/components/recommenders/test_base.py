"""Ranking: ties, masks, batches; with any scores."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pytest

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Users
from components.errors import ContractError
from components.recommenders.base import BaseRecommender


class Oracle(BaseRecommender):
    """Scores item i with values[i], and records the size of each batch and whether it had targets."""

    name: ClassVar[str] = "oracle"

    def __init__(self, values: list[float]) -> None:
        self.values = np.array(values, np.float32)
        self.batches: list[int] = []
        self.saw_targets = False

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        self.batches.append(len(users))
        self.saw_targets |= users.targets is not None
        return np.tile(self.values, (len(users), 1))

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise NotImplementedError


def test_equal_scores_go_to_the_smaller_item(users_of: Callable[..., Users]) -> None:
    ranked = Oracle([9, 1, 2, 2, 2, 1]).recommend(users_of([[], [3]]), 4)
    assert ranked.items.tolist() == [[2, 3, 4, 1], [2, 4, 1, 5]]


def test_lists_with_too_few_items_end_in_padding(users_of: Callable[..., Users]) -> None:
    model = Oracle([9, 1, -np.inf, 3])
    ranked = model.recommend(users_of([[1]]), 5, candidates=np.array([True, True, True, True]))
    assert ranked.items.tolist() == [[3, 0, 0, 0, 0]]
    assert ranked.scores.tolist() == [[3.0] + [-np.inf] * 4]


def test_users_are_scored_in_batches_without_targets(users_of: Callable[..., Users]) -> None:
    model = Oracle([0, 1, 2])
    model.batch_users = 3
    users = users_of([[]] * 7)
    ranked = model.recommend(Users(users.user_idx, users.history, users.now, targets=users.history), 2)
    assert model.batches == [3, 3, 1]
    assert not model.saw_targets
    assert ranked.items.tolist() == [[2, 1]] * 7


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_broken_score_is_an_error(users_of: Callable[..., Users], broken: float) -> None:
    with pytest.raises(ContractError, match="NaN or infinite"):
        Oracle([0, 1, broken]).recommend(users_of([[]]), 1)


def test_sliced_users_keep_their_own_history(users_of: Callable[..., Users]) -> None:
    part = users_of([[1], [2, 3], [], [4, 5, 6]]).slice(1, 9)
    assert len(part) == 3
    assert [part.history.row(i).tolist() for i in range(3)] == [[2, 3], [], [4, 5, 6]]
    assert part.history.timestamp.tolist() == users_of([[1], [2, 3], [], [4, 5, 6]]).history.timestamp[1:].tolist()
    assert part.history.rows.tolist() == [0, 0, 2, 2, 2]
