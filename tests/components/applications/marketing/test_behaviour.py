"""Behavioural segments: planted groups are found, named by what stands out, and keep their names from week to week."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from components.applications.marketing.behaviour import (
    HABITS,
    assign_clusters,
    behaviour_matrix,
    fit_behaviour,
    top_categories,
)
from components.errors import ContractError


def planted(seed: int, n: int = 60) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.int64]]:
    """Return users of two groups: weekend visitors who buy tea, and frequent visitors who buy cups."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1], n // 2)
    visits = np.where(group == 0, 10, 60) + rng.integers(0, 5, n)
    users = pd.DataFrame({
        "user_id": [f"u{i}" for i in range(n)], "visits": visits, "orders": visits // 2, "items": visits,
        "tenure_days": 200.0, "price": rng.normal(20, 1, n), "evening_share": rng.normal(0.5, 0.02, n),
        "weekend_share": np.where(group == 0, 0.8, 0.2) + rng.normal(0, 0.02, n),
    })  # fmt: skip
    mix = pd.DataFrame({"user_id": users["user_id"], "category": np.where(group == 0, "tea", "cups"), "n": 40.0})
    return users, mix, group


def test_planted_groups_are_found_and_named() -> None:
    users, mix, group = planted(0)
    columns, values = behaviour_matrix(users, mix, top_categories(mix, 5))
    fitted = fit_behaviour(columns, values, 2, seed=0)
    cluster = assign_clusters(fitted, values)
    assert len(set(cluster[group == 0])) == len(set(cluster[group == 1])) == 1
    assert cluster[0] != cluster[-1]
    weekend, frequent = (fitted.descriptions[cluster[row]] for row in (0, -1))
    assert "at weekends" in weekend
    assert "tea" in weekend
    assert "frequent visitors" in frequent
    assert len(set(fitted.names)) == 2


def test_the_next_run_keeps_names_whatever_the_seed() -> None:
    users, mix, _ = planted(0)
    columns, values = behaviour_matrix(users, mix, ["cups", "tea"])
    first = fit_behaviour(columns, values, 2, seed=0)
    later_users, later_mix, _ = planted(5)
    columns, later = behaviour_matrix(later_users, later_mix, ["cups", "tea"])
    second = fit_behaviour(columns, later, 2, seed=99, previous=first)
    assert (second.names, second.mean) == (first.names, first.mean)
    np.testing.assert_array_equal(assign_clusters(second, later), assign_clusters(first, values))


def test_a_user_changes_cluster_only_where_the_other_is_clearly_nearer() -> None:
    columns = list(HABITS)
    values = np.vstack([np.full((10, len(columns)), -1.0), np.full((10, len(columns)), 1.0)])
    fitted = fit_behaviour(columns, values, 2, seed=0)
    low, high = assign_clusters(fitted, values)[[0, -1]]
    between = np.full((2, len(columns)), 0.05)
    assert assign_clusters(fitted, between).tolist() == [high, high]
    assert assign_clusters(fitted, between, np.array([low, -1])).tolist() == [low, high]
    clearly = np.full((1, len(columns)), 0.6)
    assert assign_clusters(fitted, clearly, np.array([low])).tolist() == [high]


def test_a_user_with_few_events_is_near_the_mean() -> None:
    users, mix, _ = planted(0)
    one = mix.assign(n=[1.0, *[40.0] * (len(mix) - 1)])
    _, many = behaviour_matrix(users, mix, ["cups", "tea"])
    _, few = behaviour_matrix(users, one, ["cups", "tea"])
    assert abs(few[0, -1] - 0.5) < abs(many[0, -1] - 0.5)


def test_too_few_users_and_other_columns_are_refused() -> None:
    users, mix, _ = planted(0)
    columns, values = behaviour_matrix(users, mix, ["cups", "tea"])
    with pytest.raises(ContractError, match="60 users for 7 clusters, expected 70"):
        fit_behaviour(columns, values, 7, seed=0)
    first = fit_behaviour(columns, values, 2, seed=0)
    with pytest.raises(ContractError, match="other columns"):
        fit_behaviour(columns[:-1], values[:, :-1], 2, seed=0, previous=first)
