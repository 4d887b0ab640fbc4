"""Segments from week to week: stable where behaviour is, with names that stay, and summaries that add up."""

from datetime import timedelta

import pytest

from components.applications.marketing.activity import category_counts, user_table
from components.applications.marketing.segments import measure_stability, segment_users, summarise_segments
from tests.components.applications.marketing.shop import N_USERS, NOW, small_shop


def test_segments_stay_where_behaviour_does() -> None:
    shop = small_shop()
    weeks = measure_stability(lambda at: (user_table(shop, at), category_counts(shop, at)), NOW, 2, 2, seed=0)
    assert [week.week for week in weeks] == ["2026-06-24", "2026-07-01"]
    assert all(week.behaviour_settled > 0.95 and week.value_settled > 0.7 for week in weeks)
    assert all(week.n_users >= 290 for week in weeks)


def test_names_edges_and_members_are_carried_over() -> None:
    shop, before = small_shop(), NOW - timedelta(days=7)
    first = segment_users(user_table(shop, before), category_counts(shop, before), before, 2, seed=0)
    users, mix = user_table(shop, NOW), category_counts(shop, NOW)
    second = segment_users(users, mix, NOW, 2, seed=5, previous=first)
    assert second.state.edges == first.state.edges
    assert second.state.behaviour.names == first.state.behaviour.names
    even = users["user_id"].str[1:].astype(int) % 2 == 0
    assert second.members.loc[even, "behaviour"].nunique() == 1
    afresh = segment_users(users, mix, NOW, 2, seed=5)
    assert afresh.state.edges != first.state.edges


def test_the_summary_counts_each_user_once_of_each_kind() -> None:
    shop = small_shop()
    found = summarise_segments(segment_users(user_table(shop, NOW), category_counts(shop, NOW), NOW, 3, seed=0))
    for kind in ("value", "behaviour"):
        rows = [s for s in found if s.kind == kind]
        assert sum(s.n_users for s in rows) == N_USERS
        assert sum(s.share for s in rows) == pytest.approx(1)
        assert all(s.description for s in rows)
