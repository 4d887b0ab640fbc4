"""Histories as batches: merged by hand, cut, and in an order that seed and epoch give."""

from collections.abc import Callable

import numpy as np
import pytest

from components.contracts import Interactions, Ragged, Users
from components.recommenders.sequence.datamodule import Loader, Sequences, merge_repeats, pack, training_sequences
from components.recommenders.sequence.model import START


def sequences_of(lengths: list[int]) -> Sequences:
    """Make pieces of these lengths; event i is item i + 1, so that each is known."""
    ends = np.cumsum(lengths).astype(np.int64)
    n = int(ends[-1])
    item = np.arange(1, n + 1, dtype=np.int32)
    return Sequences(item, np.full(n, 2, np.int8), np.ones(n, np.float32), ends - np.array(lengths), ends)


def items_of(loader: Loader) -> list[int]:
    return [int(i) for items, _, _ in loader for i in items[items > 0]]


def test_runs_of_an_item_become_its_heaviest_event() -> None:
    """User 0: view 5, cart 5, view 5, buy 6, view 5; user 1: nothing; user 2: view 5, no repeat of user 0's."""
    rows = Ragged(
        np.array([0, 5, 5, 6]),
        np.array([5, 5, 5, 6, 5, 5], np.int32),
        np.arange(6),
        np.array([0, 1, 0, 2, 0, 0], np.int8),
        np.array([0.3, 0.7, 0.3, 1.0, 0.3, 0.3], np.float32),
    )
    merged = merge_repeats(rows)
    assert merged.offsets.tolist() == [0, 3, 3, 4]
    assert merged.item_idx.tolist() == [5, 6, 5, 5]
    assert merged.event.tolist() == [1, 2, 0, 0]
    assert merged.timestamp.tolist() == [1, 3, 4, 5]
    assert merged.weight.tolist() == pytest.approx([0.7, 1.0, 0.3, 0.3])


def test_of_equal_repeats_the_newest_stays(users_of: Callable[..., Users]) -> None:
    history = users_of([[7, 7, 7]]).history
    assert merge_repeats(history).timestamp.tolist() == [history.timestamp[2]]


def test_merging_nothing_or_merging_twice_changes_nothing(users_of: Callable[..., Users]) -> None:
    assert len(merge_repeats(users_of([[], []]).history)) == 2
    once = merge_repeats(users_of([[1, 1, 2], [2, 2]]).history)
    assert merge_repeats(once).item_idx.tolist() == once.item_idx.tolist() == [1, 2, 2]


def test_histories_are_cut_from_the_newest_back_and_strangers_left_out(
    events_of: Callable[..., Interactions],
) -> None:
    rows = [(0, 9, "view", 1.0, 9.0)] + [(2, item, "purchase", 1.0, 9.0 - item) for item in range(1, 6)]
    pieces = training_sequences(events_of(rows, n_users=3, n_items=9), max_length=2)
    cut = [pieces.item[a:b].tolist() for a, b in zip(pieces.starts, pieces.ends, strict=True)]
    assert cut == [[4, 5], [2, 3], [1]]


def test_pack_puts_the_start_place_first_and_zeros_last() -> None:
    s = sequences_of([2, 0, 3])
    items, events, weight = pack(s.item, s.event, s.weight, s.starts, s.ends - s.starts)
    assert items.tolist() == [[0, 1, 2, 0], [0, 0, 0, 0], [0, 3, 4, 5]]
    assert events.tolist() == [[START, 2, 2, START], [START] * 4, [START, 2, 2, 2]]
    assert weight.tolist() == [[0, 1, 1, 0], [0] * 4, [0, 1, 1, 1]]


def test_an_epoch_covers_each_event_once() -> None:
    s = sequences_of([1, 5, 3, 3, 2, 8, 1, 1, 4, 30])
    loader = Loader(s, batch_size=3, seed=7)
    assert sorted(items_of(loader)) == s.item.tolist()
    assert len(loader) == len(list(loader)) == loader.steps()


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    s = sequences_of([1 + i % 4 for i in range(40)])
    orders = {}
    for seed in (1, 2):
        for epoch in (0, 1):
            loader = Loader(s, 4, seed)
            list(loader)  # an epoch that was looked at before changes nothing
            loader.epoch = epoch
            orders[seed, epoch] = items_of(loader)
    again = Loader(s, 4, 2)
    again.epoch = 1
    assert items_of(again) == orders[2, 1]
    assert len({tuple(o) for o in orders.values()}) == 4


def test_a_resumed_epoch_is_the_rest_of_the_whole_one() -> None:
    whole, rest = (Loader(sequences_of([2] * 30), 4, 0) for _ in range(2))
    rest.skip = 3
    assert [b[0].tolist() for b in rest] == [b[0].tolist() for b in whole][3:]
    assert len(rest) == len(whole) - 3


@pytest.mark.parametrize(("n", "world"), [(30, 2), (30, 3), (4, 3), (1, 4)])
def test_processes_share_an_epoch_and_do_as_many_steps(n: int, world: int) -> None:
    s = sequences_of([2] * n)
    steps, seen = set(), []
    for rank in range(world):
        loader = Loader(s, 4, 0)
        loader.rank, loader.world = rank, world
        steps.add(len(list(loader)))
        assert len(loader) == len(list(loader))
        seen += items_of(loader)
    assert len(steps) == 1
    assert set(seen) == set(s.item.tolist())
    if len(Loader(s, 4, 0)) % world == 0:
        assert len(seen) == len(set(seen))


def test_a_batch_holds_so_many_events_or_one_piece() -> None:
    shapes = [items.shape for items, _, _ in Loader(sequences_of([500] * 8 + [9] * 20 + [1] * 64), 64, 0)]
    places = [rows * (width - 1) for rows, width in shapes]  # the start place is no event
    assert max(places) == 500  # one piece that is longer than a batch comes alone
    assert all(n <= 64 for n in places if n != 500)
    assert max(rows for rows, _ in shapes) == 64
