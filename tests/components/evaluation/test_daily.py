"""Scores of a day with values computed by hand."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from components.contracts import Ranked, Recommender, Users
from components.data.later_events import LaterEvents
from components.evaluation.daily import Mean, days_between, mean_of, score_day
from components.params import Params, load
from components.ragged import Ragged
from components.times import DAY_US, HOUR_US
from tests.support import ROOT

SECOND = 1 / math.log2(3)  # NDCG of one target at rank 2


class Fixed:
    """The same list for every user, without the items that the user had."""

    name = "fixed"

    def __init__(self, items: Sequence[int]) -> None:
        self.items = items

    def recommend(self, users: Users, k: int, exclude_seen: bool = True, candidates: Any = None) -> Ranked:
        lists = np.zeros((len(users), k), np.int32)
        for i in range(len(users)):
            left = [n for n in self.items if not (exclude_seen and n in users.history.row(i))][:k]
            lists[i, : len(left)] = left
        return Ranked(lists, np.zeros(lists.shape, np.float32))


def model(*items: int) -> Recommender:
    return Fixed(items)  # type: ignore[return-value]


def events_of(rows: Sequence[Sequence[tuple[int, float]]]) -> LaterEvents:
    """Return purchases given as (item, day) for each user."""
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    flat = [event for row in rows for event in row]
    items = np.array([item for item, _ in flat], np.int32)
    times = np.array([int(day * DAY_US) for _, day in flat], np.int64)
    n = len(flat)
    events = Ragged(offsets, items, times, np.full(n, 2, np.int8), np.ones(n, np.float32))
    return LaterEvents(["", *"abcdef"], events, np.ones(n, np.bool_), 10)


@pytest.fixture(scope="module")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["evaluation.primary=ndcg_at_5", "evaluation.ks=[5]"])


THREE = events_of([[(1, 0.5), (2, 1.2)], [(3, 1.5)], [(1, 1.1), (1, 1.9), (2, 2.0)]])


def test_the_mean_of_a_day_its_error_and_the_paired_lead(params: Params) -> None:
    """Day 1: users buy 2, 3 and 1. The list 1, 2, 3 (the first user had 1) has them at ranks 1, 3 and 1."""
    scores = score_day({"champion": model(1, 2, 3), "popularity": model(3, 1)}, THREE, DAY_US, 2 * DAY_US, params)
    own, other = scores["champion"], scores["popularity"]
    assert (own.n_users, other.n_users) == (3, 3)
    values, others = [1.0, 0.5, 1.0], [0.0, 1.0, SECOND]
    assert own.own.mean == pytest.approx(np.mean(values))
    assert own.own.error == pytest.approx(np.std(values, ddof=1) / math.sqrt(3))
    assert own.lead is None
    differences = np.subtract(values, others)
    assert other.own.mean == pytest.approx(np.mean(others), abs=1e-6)
    assert other.lead is not None
    assert other.lead.mean == pytest.approx(differences.mean(), abs=1e-6)
    assert other.lead.error == pytest.approx(differences.std(ddof=1) / math.sqrt(3), abs=1e-6)


def test_bought_again_counts_only_where_it_can_be_recommended(params: Params) -> None:
    """Day 2: the third user buys 2 at 00:00, after 1 twice."""
    again = events_of([[(1, 0.5), (1, 1.5)]])
    assert score_day({"champion": model(1, 2)}, again, DAY_US, 2 * DAY_US, params)["champion"].n_users == 0
    seen = params.model_copy(update={"recommend": params.recommend.model_copy(update={"exclude_seen": False})})
    assert score_day({"champion": model(1, 2)}, again, DAY_US, 2 * DAY_US, seen)["champion"].own.mean == 1


def test_a_day_without_users_has_no_mean(params: Params) -> None:
    score = score_day({"champion": model(1), "popularity": model(2)}, THREE, 5 * DAY_US, 6 * DAY_US, params)
    assert score["champion"].own == Mean(None, None)
    assert score["popularity"].lead == Mean(None, None)


def test_many_users_are_sampled_evenly(params: Params) -> None:
    rows = [[(1 if n % 2 else 2, 1.5)] for n in range(40)]
    few = params.model_copy(update={"history": params.history.model_copy(update={"max_users": 10})})
    score = score_day({"champion": model(2)}, events_of(rows), DAY_US, 2 * DAY_US, few)["champion"]
    assert (score.n_users, score.own.mean) == (10, 1.0)  # every fourth user, who bought 2


def test_a_model_without_any_item_for_the_users_scores_zero(params: Params) -> None:
    assert score_day({"champion": model()}, THREE, DAY_US, 2 * DAY_US, params)["champion"].own.mean == 0


def test_days_are_cut_at_midnight_utc() -> None:
    start, end = DAY_US + 20 * HOUR_US, 3 * DAY_US + HOUR_US
    assert list(days_between(start, end)) == [(start, 2 * DAY_US), (2 * DAY_US, 3 * DAY_US), (3 * DAY_US, end)]
    assert list(days_between(DAY_US, DAY_US)) == []


def test_one_user_has_no_standard_error() -> None:
    assert mean_of(np.array([0.5], np.float32)) == Mean(0.5, None)
