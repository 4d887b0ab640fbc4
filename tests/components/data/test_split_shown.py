"""Impressions in a split: those that a policy need not have made, each in the window of its time."""

import pytest

from components.contracts import EVENTS
from components.data.tables import read_interactions, read_training
from tests.components.data.support import TIME, Cut, purchases

EXPOSED = {**TIME, "exposure": 0.4}
PURCHASES = [(*row, "") for row in purchases("a", "01-10", "02-15", "02-22")]
SHOWN = [
    ("a", "i1", "2026-01-11", "impression", "0.25"),
    ("a", "i2", "2026-01-11", "impression", ""),  # nobody can tell whether a model's list held it
    ("a", "i3", "2026-01-12", "impression", "1"),  # a deterministic list
    ("only shown", "i4", "2026-01-12", "impression", "0.25"),
    ("a", "i5", "2026-02-16", "impression", "0.5"),
    ("a", "i6", "2026-02-23", "impression", "0.5"),
]


def test_impressions_count_less_the_likelier_they_were(cut: Cut) -> None:
    out, _ = cut([*PURCHASES, *SHOWN], EXPOSED)
    assert read_interactions(out).shown is None
    train = read_training(out)
    assert train.shown is not None
    assert (train.shown.user_idx.tolist(), train.shown.item_idx.tolist()) == ([1], [1])
    assert train.shown.weight.tolist() == pytest.approx([0.3])
    assert {EVENTS[code] for code in train.shown.event} == {"impression"}


def test_impressions_are_in_the_window_of_their_time(cut: Cut) -> None:
    out, _ = cut([*PURCHASES, *SHOWN], EXPOSED)
    for windows, items in ((("validation",), [5]), (("test",), [6]), (("train", "validation"), [1, 5])):
        read = read_training(out, windows)
        assert read.shown is not None
        assert read.shown.item_idx.tolist() == items
        assert read.shown.now == read.now
        assert (read.shown.timestamp < read.now).all()


def test_impressions_are_read_only_where_asked_for_and_not_in_leave_one_out(cut: Cut) -> None:
    out, _ = cut([*PURCHASES, *SHOWN])
    assert read_training(out).shown is None
    out, _ = cut([*PURCHASES, *SHOWN], {**EXPOSED, "protocol": "leave_one_out"})
    assert read_training(out).shown is None


def test_impressions_of_anonymous_visitors_count_for_items(cut: Cut) -> None:
    anonymous = ("", "i7", "2026-01-11", "impression", "0.5")
    rows = [*PURCHASES, *SHOWN, anonymous]
    out, _ = cut(rows, EXPOSED, anonymous_events=True)
    shown = read_training(out).shown
    assert shown is not None
    assert list(zip(shown.user_idx.tolist(), shown.item_idx.tolist(), strict=True)) == [(0, 7), (1, 1)]
