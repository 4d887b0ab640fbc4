"""Recency-frequency-value segments: known users, carried edges, and users near an edge."""

import numpy as np
import pandas as pd
import pytest

from components.applications.marketing.rfm import SEGMENTS, RfmEdges, fit_edges, name_segments, score_users
from components.errors import ContractError

EDGES = RfmEdges(recency=[10, 20, 40, 80], frequency=[1, 2, 4, 8], value=[10, 20, 40, 80])


def user(orders: float, recency: float, value: float, first: float = 300) -> dict[str, float | str]:
    return {"orders": orders, "recency_days": recency, "value": value, "first_order_days": first}


def table(rows: list[dict[str, float | str]]) -> pd.DataFrame:
    return pd.DataFrame([{"user_id": f"u{n}", **row} for n, row in enumerate(rows)])


def test_each_segment_has_its_user() -> None:
    users = table([
        user(0, np.nan, 0, np.nan), user(1, 5, 5, first=20), user(9, 5, 100), user(9, 30, 15), user(9, 100, 15),
        user(2, 15, 90), user(1, 100, 5), user(1, 30, 5),
    ])  # fmt: skip
    assert name_segments(users, score_users(users, EDGES)) == list(SEGMENTS)


def test_scores_by_hand() -> None:
    scores = score_users(table([user(1, 10, 10), user(3, 11, 81), user(0, np.nan, 0)]), EDGES)
    assert scores["recency"].tolist() == [5, 4, 0]
    assert scores["frequency"].tolist() == [1, 3, 0]
    assert scores["value"].tolist() == [1, 5, 0]


def test_edges_are_quantiles_and_tied_ones_are_one() -> None:
    users = table([user(1 if n < 70 else 5, n, 2 * n) for n in range(100)])
    edges = fit_edges(users)
    assert edges.recency == [19, 39, 59, 79]
    assert edges.value == [38, 78, 118, 158]
    assert edges.frequency == [1, 5]
    with pytest.raises(ContractError, match="19 users with an order, expected 20"):
        fit_edges(users.head(19))


def test_a_user_near_an_edge_keeps_the_score_and_one_beyond_it_does_not() -> None:
    before = table([user(3, 19, 30), user(3, 19, 30)])
    scores = score_users(before, EDGES)
    previous = pd.DataFrame({"user_id": before["user_id"], **scores})
    later = table([user(3, 22, 30), user(3, 30, 30)])
    assert score_users(later, EDGES)["recency"].tolist() == [3, 3]
    assert score_users(later, EDGES, previous)["recency"].tolist() == [4, 3]
    assert score_users(table([user(3, 22, 30)]), EDGES, previous.head(0))["recency"].tolist() == [3]
