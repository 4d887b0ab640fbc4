"""Holdout groups: of the asked size, the same each time, and independent between campaigns."""

import numpy as np

from components.applications.marketing.holdout import held_out

USERS = [f"u{n}" for n in range(20_000)]


def test_the_group_has_the_share_and_stays() -> None:
    group = held_out(USERS, "spring", 0.1)
    assert abs(group.mean() - 0.1) < 0.01
    np.testing.assert_array_equal(held_out(USERS[::-1], "spring", 0.1)[::-1], group)
    assert (held_out(USERS, "spring", 0.2) >= group).all()  # a larger group contains the smaller one


def test_campaigns_are_independent() -> None:
    both = held_out(USERS, "spring", 0.1) & held_out(USERS, "summer", 0.1)
    assert abs(both.mean() - 0.01) < 0.003
    assert not held_out(USERS, "spring", 0.0).any()
    assert held_out(USERS, "spring", 1.0).all()
