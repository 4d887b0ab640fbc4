"""Definitions evaluated in Ibis."""

import ibis
import pytest

from components.profiles import aggregates
from components.profiles.definitions import UNIT, Aggregate, TopNames
from components.times import DAY_US
from tests.components.profiles.small import by_id, profile_params

ROWS = ibis.memtable({
    "user_id": ["ann", "ann", "ann", "bob"],
    "at": [DAY_US * n for n in (1, 5, 8, 9)],
    "event": ["view", "purchase", "purchase", "view"],
    "money": [None, 2 * int(UNIT), 4 * int(UNIT), None],
    "brand": ["乙", "x", "乙", None],
})  # fmt: skip
CUT = 10 * DAY_US


@pytest.mark.parametrize(
    ("how", "events", "days", "ann", "bob"),
    [
        ("count", (), None, 3, 1),
        ("count", ("view",), 9, 1, 1),
        ("count", ("view",), 8, 0, 1),
        ("sum", ("purchase",), None, 6.0, None),
        ("sum", ("purchase",), 2, 4.0, None),
        ("mean", (), None, 3.0, None),
        ("days_since_newest", (), None, 2.0, 1.0),
        ("days_since_oldest", ("purchase",), None, 5.0, None),
    ],
)
def test_an_aggregate(how: str, events: tuple[str, ...], days: int | None, ann: float, bob: float | None) -> None:
    number = Aggregate("n", "", True, False, how, "events", "money", events, days)  # type: ignore[arg-type]
    rows_by_id = by_id(aggregates.compute_aggregates(ROWS, "user_id", [number], CUT))
    assert {user: row["n"] for user, row in rows_by_id.items()} == {"ann": ann, "bob": bob}


def test_equal_shares_are_sorted_by_name_and_old_facts_decay_to_zero() -> None:
    rows = ibis.memtable(
        {"user_id": ["ann"] * 4, "at": [0, CUT - 9, CUT - 9, CUT - 9], "brand": ["gone", "乙", "x", "a"]}
    )
    names = TopNames("brands", "", "events", "brand")
    rows_by_id = by_id(aggregates.compute_top_names(rows, names, profile_params(half_life_days=0.1, top=9), CUT))
    assert [e["name"] for e in rows_by_id["ann"]["brands"]] == ["a", "x", "乙"]
    assert sum(e["share"] for e in rows_by_id["ann"]["brands"]) == pytest.approx(1.0, abs=1e-9)
    best = by_id(aggregates.compute_top_names(rows, names, profile_params(top=2), CUT))["ann"]["brands"]
    assert [e["name"] for e in best] == ["a", "x"]
