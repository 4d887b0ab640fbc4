"""Rows of different length: selected, cut and joined without losing an event's other columns."""

import numpy as np
import pytest

from components.ragged import Ragged
from tests.support import ragged

ROWS = [[1, 2], [], [3, 4, 5]]


def items(rows: Ragged) -> list[list[int]]:
    return [rows.row(i).tolist() for i in range(len(rows))]


def times(rows: Ragged, item: int) -> int:
    return int(rows.timestamp[rows.item_idx == item][0])


def test_rows_and_their_lengths() -> None:
    rows = ragged(ROWS)
    assert len(rows) == 3
    assert items(rows) == ROWS
    assert rows.lengths.tolist() == [2, 0, 3]
    assert rows.rows.tolist() == [0, 0, 2, 2, 2]


def test_take_selects_rows_in_the_order_asked_for() -> None:
    taken = ragged(ROWS).take(np.array([2, 0, 2]))
    assert items(taken) == [[3, 4, 5], [1, 2], [3, 4, 5]]
    assert times(taken, 4) == times(ragged(ROWS), 4)


def test_slice_shares_memory_and_ends_at_the_last_row() -> None:
    rows = ragged(ROWS)
    part = rows.slice(1, 9)
    assert items(part) == [[], [3, 4, 5]]
    assert part.offsets[0] == 0
    assert np.shares_memory(part.timestamp, rows.timestamp)
    assert items(rows.slice(1, 1)) == []


@pytest.mark.parametrize(("n_events", "first"), [(1, [0, 1, 2]), (2, [0, 2]), (3, [0, 2]), (5, [0]), (100, [0])])
def test_blocks_cover_all_rows(n_events: int, first: list[int]) -> None:
    blocks = list(ragged(ROWS).blocks(n_events))
    assert [row for row, _ in blocks] == first
    assert [row for _, block in blocks for row in items(block)] == [[1, 2], [], [3, 4, 5]]


def test_filter_keeps_the_number_of_rows() -> None:
    left = ragged(ROWS).filter(np.array([False, True, False, False, True]))
    assert items(left) == [[2], [], [5]]
    assert times(left, 5) == times(ragged(ROWS), 5)


def test_newest_cuts_from_the_front() -> None:
    assert items(ragged(ROWS).newest(2)) == [[1, 2], [], [4, 5]]


def test_gather_reads_events_across_rows() -> None:
    assert items(ragged(ROWS).gather(np.array([1, 0]), np.array([3, 0]))) == [[2, 3, 4], []]


def test_concat_of_slices_equals_the_original() -> None:
    rows = ragged(ROWS)
    joined = Ragged.concat([rows.slice(0, 1), rows.slice(1, 3)])
    for name in ("offsets", "item_idx", "timestamp", "event", "weight"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(rows, name))
        assert getattr(joined, name).dtype == getattr(rows, name).dtype
