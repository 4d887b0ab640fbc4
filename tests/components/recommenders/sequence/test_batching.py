"""Histories as segments without padding: merged by hand, cut, and in an order determined by seed and epoch."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from components.contracts import Interactions, Users
from components.params import Params, SequenceParams
from components.recommenders.sequence import batching
from components.recommenders.sequence.batching import (
    SequenceLoader,
    Sequences,
    gap_codes,
    newest_segments,
    pack,
    training_sequences,
)
from components.recommenders.sequence.model import GAPS, START
from components.recommenders.sequence.profile import WIDTH

MINUTE = 60_000_000
PRICE = np.linspace(-1, 1, 10).astype(np.float32)  # of items 0..9


@pytest.fixture
def short(params: Params) -> SequenceParams:
    """Parameters: the newest two events are read singly, two before them as their mean."""
    return params.models.sequence.model_copy(update={"max_length": 2, "summarised_events": 2})


def sequences_of(lengths: list[int]) -> Sequences:
    """Make segments of these lengths; event i has item i + 1, so that events are distinct."""
    ends = np.cumsum(lengths).astype(np.int64)
    n, starts = int(ends[-1]), ends - np.array(lengths)
    item, gap = np.arange(1, n + 1, dtype=np.int32), np.ones(n, np.int8)
    one, none = np.ones(n, np.float32), np.zeros((len(lengths), WIDTH), np.float32)
    row = np.arange(len(starts))
    return Sequences(item, np.full(n, 2, np.int8), gap, one, np.zeros(n, np.float32), starts, starts, ends, none, row)


def items_of(loader: SequenceLoader) -> list[int]:
    return [int(i) for (_, targets, *_), _ in loader for i in targets]


def test_gaps_grow_with_the_time_between_events_of_one_user() -> None:
    minutes = np.array([0, 0, 1, 3, 3 + 60, 10**9, 10**9 + 1])
    codes = gap_codes(minutes * MINUTE, np.array([0, 5, 5, 7])).tolist()
    assert codes == [0, 1, 1, 2, 5, 0, 1]  # the first event of a user has none
    assert gap_codes(np.array([0, 10**9]) * MINUTE, np.array([0, 2])).tolist() == [0, GAPS - 1]


def test_histories_are_cut_from_the_newest_event_without_anonymous_ones(
    events_of: Callable[..., Interactions], short: SequenceParams
) -> None:
    rows = [(0, 9, "view", 1.0, 9.0)] + [(2, item, "purchase", 1.0, 9.0 - item) for item in range(1, 8)]
    segments = training_sequences(events_of(rows, n_users=3, n_items=9), short, PRICE)
    cut = [segments.item[a:b].tolist() for a, b in zip(segments.starts, segments.ends, strict=True)]
    assert cut == [[6, 7], [4, 5], [2, 3], [1]]
    older = [segments.item[a:b].tolist() for a, b in zip(segments.older, segments.starts, strict=True)]
    assert older == [[4, 5], [2, 3], [1], []]


@pytest.mark.parametrize("block", [1, 5])
def test_segments_do_not_depend_on_the_block(
    events_of: Callable[..., Interactions], short: SequenceParams, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    rng = np.random.default_rng(0)
    rows = [(int(u), int(rng.integers(1, 9)), "view", 1.0, float(i)) for i, u in enumerate(rng.integers(0, 6, 60))]
    events = events_of(rows, n_users=7, n_items=9)
    whole = training_sequences(events, short, PRICE)
    monkeypatch.setattr(batching, "BLOCK", block)
    parts = training_sequences(events, short, PRICE)
    assert len(np.unique(whole.row)) > 3
    for name in ("item", "event", "gap", "weight", "price", "older", "starts", "ends", "row"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), err_msg=name)
    np.testing.assert_allclose(parts.before, whole.before, atol=1e-6)


def test_the_newest_events_of_each_user_are_a_segment(users_of: Callable[..., Users], short: SequenceParams) -> None:
    segments = newest_segments(users_of([[1, 2, 3, 4, 5], [], [6]]).history, short, PRICE)
    newest = [segments.item[a:b].tolist() for a, b in zip(segments.starts, segments.ends, strict=True)]
    older = [segments.item[a:b].tolist() for a, b in zip(segments.older, segments.starts, strict=True)]
    assert newest == [[4, 5], [], [6]]
    assert older == [[2, 3], [], []]


def test_pack_concatenates_segments_with_their_start_positions() -> None:
    s = sequences_of([2, 0, 3, 0, 2])
    packed = pack(s, np.array([1, 3, 0, 4, 2]), np.array([0, 0, 2, 2, 3]))
    assert packed.items.tolist() == [0, 0, 0, 1, 2, 0, 6, 7, 0, 3, 4, 5]
    assert packed.events.tolist() == [START, START, START, 2, 2, START, 2, 2, START, 2, 2, 2]
    assert packed.positions.tolist() == [0, 0, 0, 1, 2, 0, 1, 2, 0, 1, 2, 3]
    assert packed.gaps.tolist() == [0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1]
    assert packed.groups == ((2, 1), (2, 3), (1, 4))


def test_summarised_events_are_separate_for_each_segment() -> None:
    s = sequences_of([6])
    s = replace(s, older=np.array([0, 1]), starts=np.array([0, 3]), ends=np.array([2, 6]), before=s.before[[0, 0]])
    packed = pack(s, np.array([0, 1]), np.array([2, 3]))
    assert packed.older.tolist() == [2, 3]
    assert packed.older_at.tolist() == [0, 0]


def test_the_target_of_each_position_is_the_next_event() -> None:
    s = sequences_of([1, 3])
    packed, targets, kinds, weight = SequenceLoader(s, 9, 0).collate(np.array([0, 1]))
    assert packed.items.tolist() == [0, 0, 2, 3]
    assert targets.tolist() == [1, 2, 3, 4]
    assert kinds.tolist() == [2] * 4
    assert weight.tolist() == [1.0] * 4


def test_an_epoch_covers_each_event_once() -> None:
    s = sequences_of([1, 5, 3, 3, 2, 8, 1, 1, 4, 30])
    loader = SequenceLoader(s, batch_size=3, seed=7)
    assert sorted(items_of(loader)) == s.item.tolist()
    assert len(loader) == len(list(loader)) == loader.steps(0)


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    s = sequences_of([1 + i % 4 for i in range(40)])
    orders = {}
    for seed in (1, 2):
        for epoch in (0, 1):
            loader = SequenceLoader(s, 4, seed)
            list(loader)  # iterating the epoch before changes nothing
            loader.epoch = epoch
            orders[seed, epoch] = items_of(loader)
    again = SequenceLoader(s, 4, 2)
    again.epoch = 1
    assert items_of(again) == orders[2, 1]
    assert len({tuple(o) for o in orders.values()}) == 4


def test_a_resumed_epoch_has_the_remaining_batches() -> None:
    whole, rest = (SequenceLoader(sequences_of([2] * 30), 4, 0) for _ in range(2))
    rest.skip = 3
    assert [b[1].tolist() for b, _ in rest] == [b[1].tolist() for b, _ in whole][3:]
    assert len(rest) == len(whole) - 3


@pytest.mark.parametrize(("n", "world"), [(30, 2), (30, 3), (4, 3), (1, 4)])
def test_processes_share_an_epoch_with_equally_many_steps(n: int, world: int) -> None:
    s = sequences_of([2] * n)
    alone, parts = list(SequenceLoader(s, 4, 0)), []
    for rank in range(world):
        loader = SequenceLoader(s, 4, 0)
        loader.rank, loader.world = rank, world
        assert len(loader) == loader.steps(0) == len(alone)
        parts.append(list(loader))
    for (batch, counts), *of_processes in zip(alone, *parts, strict=True):
        assert counts == 1
        targets = [item for own, counts in of_processes if counts for item in own[1].tolist()]
        assert sorted(targets) == sorted(batch[1].tolist())
        loss = sum(counts * float(own[3] @ own[1].float() / own[3].sum()) for own, counts in of_processes) / world
        assert loss == pytest.approx(float(batch[3] @ batch[1].float() / batch[3].sum()))


def test_a_batch_is_bounded_by_events_or_one_segment() -> None:
    batches = list(SequenceLoader(sequences_of([500] * 8 + [9] * 20 + [1] * 64), 64, 0))
    sizes = [len(targets) for (_, targets, _, _), _ in batches]
    assert sizes.count(500) == 8  # a segment longer than a batch is a batch of its own
    assert all(n <= 64 for n in sizes if n != 500)
    assert max(n for n in sizes if n != 500) > 64 - 9
    positions = [sum(segments * length for segments, length in packed.groups) for (packed, *_), _ in batches]
    assert positions == sizes  # no position is padding
