"""Two lists are merged fairly, and clicks measure which one users prefer."""

import numpy as np

from components.experiments.interleaving import estimate_preference, team_draft


def test_lists_take_turns() -> None:
    one, other = [f"a{n}" for n in range(10)], [f"b{n}" for n in range(10)]
    drawn = team_draft(one, other, 10, "r1")
    assert drawn == team_draft(one, other, 10, "r1")
    assert sum(drawn.team) == 5
    assert [i for i, side in zip(drawn.items, drawn.team, strict=True) if side == 0] == one[:5]
    assert {tuple(team_draft(one, other, 2, f"r{n}").team) for n in range(20)} == {(0, 1), (1, 0)}
    same = team_draft(one, one, 6, "r")
    assert same.items == one[:6]
    assert team_draft(["a", "a"], [], 5, "r").items == ["a"]


def test_preference_from_votes() -> None:
    rng = np.random.default_rng(4)
    assert estimate_preference(rng.choice([-1.0, 0, 1], 2000, p=[0.2, 0.4, 0.4]), 0.05, 1000).sign == 1
    assert estimate_preference(rng.choice([-1.0, 0, 1], 2000, p=[0.3, 0.4, 0.3]), 0.05, 1000).sign == 0
    assert estimate_preference(np.array([]), 0.05, 10).sign == 0
