"""Histories as segments laid end to end, without padding; the order of batches depends on seed and epoch alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.contracts import FloatArray, Interactions, TimeArray
from components.mapped_arrays import allocate
from components.params import SequenceParams
from components.ragged import Ragged
from components.recommenders.histories import merge_repeats
from components.recommenders.sequence.model import GAPS, START
from components.recommenders.sequence.packed import Packed
from components.recommenders.sequence.profile import WIDTH, increments, profile

Batch = tuple[Packed, Tensor, Tensor, Tensor]  # input; then item, kind and weight of the event after each position
Part = tuple[Batch, float]  # of a batch, and what its mean loss counts: the mean over processes is that of the batch
MINUTE_US = 60_000_000
BLOCK = 2_000_000  # events that are cut into segments at once
EVENT_COLUMNS = {"item": np.int32, "event": np.int8, "gap": np.int8, "weight": np.float32, "price": np.float32}


@dataclass(frozen=True)
class Sequences:
    """Segments of histories: segment i is [starts[i]:ends[i]] of the columns, [older[i]:starts[i]] is summarised."""

    item: NDArray[np.int32]
    event: NDArray[np.int8]
    gap: NDArray[np.int8]  # code of the time since the user's previous event
    weight: NDArray[np.float32]
    price: FloatArray  # level of the item, in [-1, 1]
    older: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    before: FloatArray  # (segments, WIDTH) profile sums over the summarised events
    row: NDArray[np.int64]  # (segments,) the history that each is of


def gap_codes(timestamp: TimeArray, offsets: TimeArray) -> NDArray[np.int8]:
    """Return codes of time since the previous event: 0 for the first, 1 within a minute, then +1 per factor of 2.8."""
    minutes = np.diff(timestamp, prepend=timestamp[:1]) / MINUTE_US
    codes = 1 + np.ceil(np.log2(np.maximum(minutes, 1)) / 1.5).astype(np.int8)
    first = offsets[:-1]
    codes[first[first < len(codes)]] = 0
    out: NDArray[np.int8] = np.minimum(codes, GAPS - 1)
    return out


def newest_segments(history: Ragged, params: SequenceParams, price: FloatArray) -> Sequences:
    """Return one segment for each row, its newest max_length events; an empty row is an empty segment.

    price: (n_items + 1,) the level of each item.
    """
    rows = merge_repeats(history)
    starts = np.maximum(rows.offsets[1:] - params.max_length, rows.offsets[:-1])
    return _sequences(rows, starts, rows.offsets[1:], rows.offsets[:-1], params, price)


def training_sequences(interactions: Interactions, params: SequenceParams, price: FloatArray) -> Sequences:
    """Return the histories of known users, cut into segments of max_length from the newest event backwards.

    Events are read in blocks of users, and written into mapped arrays: memory does not grow with them.
    """
    rows, n = interactions.by_user(), 0
    columns = {name: allocate(len(rows.item_idx), dtype) for name, dtype in EVENT_COLUMNS.items()}
    segments: list[tuple[NDArray[Any], ...]] = []
    for first, block in rows.blocks(BLOCK):
        part = _training_block(merge_repeats(block), params, price)
        end = n + len(part.item)
        for name, column in columns.items():
            column[n:end] = getattr(part, name)
        segments.append((part.older + n, part.starts + n, part.ends + n, part.before, part.row + first))
        n = end
    older, starts, ends, before, row = map(np.concatenate, zip(*segments, strict=True))
    of_events = {name: column[:n] for name, column in columns.items()}
    return Sequences(**of_events, older=older, starts=starts, ends=ends, before=before, row=row)


def _training_block(rows: Ragged, params: SequenceParams, price: FloatArray) -> Sequences:
    cuts = [(s, e, begin) for begin, end in zip(rows.offsets[:-1], rows.offsets[1:], strict=True)
            for s, e in _segment_bounds(int(begin), int(end), params.max_length)]  # fmt: skip
    starts, ends, begins = np.array(cuts, np.int64).reshape(-1, 3).T
    return _sequences(rows, starts, ends, begins, params, price)


def _segment_bounds(begin: int, end: int, length: int) -> Iterator[tuple[int, int]]:
    while end > begin:
        yield max(begin, end - length), end
        end = max(begin, end - length)


def _sequences(
    rows: Ragged, starts: TimeArray, ends: TimeArray, begins: TimeArray, params: SequenceParams, price: FloatArray
) -> Sequences:
    older = np.maximum(starts - params.summarised_events, begins)
    gap, level = gap_codes(rows.timestamp, rows.offsets), price[rows.item_idx]
    total = np.concatenate([np.zeros((1, WIDTH)), np.cumsum(increments(rows.event, level), axis=0, dtype=np.float64)])
    before = (total[starts] - total[older]).astype(np.float32)
    row = np.searchsorted(rows.offsets, begins, "right") - 1  # wrong for an empty history, whose events are no matter
    return Sequences(rows.item_idx, rows.event, gap, rows.weight, level, older, starts, ends, before, row)


def pack(s: Sequences, segments: NDArray[np.int64], n_events: NDArray[np.int64]) -> Packed:
    """Return the first n_events (p,) events of the segments (p,), end to end; n_events must be ascending."""
    starts, lengths = s.starts[segments], n_events + 1
    begin = np.cumsum(lengths) - lengths
    position = np.arange(int(lengths.sum())) - np.repeat(begin, lengths)
    at = np.maximum(np.repeat(starts, lengths) + position - 1, 0)
    first = position == 0
    columns: list[tuple[NDArray[Any], int]] = [(s.item, 0), (s.event, START), (s.gap, 0)]
    packed = [np.where(first, fill, column[at] if len(column) else fill) for column, fill in columns]
    items, events, gaps = (torch.from_numpy(column.astype(np.int64)) for column in packed)
    n_older = starts - s.older[segments]
    older_at = np.cumsum(n_older) - n_older
    older = s.item[np.repeat(s.older[segments] - older_at, n_older) + np.arange(int(n_older.sum()))].astype(np.int64)
    sizes = zip(*np.unique(lengths, return_counts=True), strict=True)
    groups = tuple((int(count), int(length)) for length, count in sizes)
    positions, profiles = torch.from_numpy(position), torch.from_numpy(_profile(s, segments, at, first, lengths))
    return Packed(items, events, positions, gaps, profiles, torch.from_numpy(older), torch.from_numpy(older_at), groups)


def _profile(
    s: Sequences,
    segments: NDArray[np.int64],
    at: NDArray[np.int64],
    first: NDArray[np.bool_],
    lengths: NDArray[np.int64],
) -> FloatArray:
    """Return (t, WIDTH): the profile at each position, its own event included."""
    if not len(s.event):
        return profile(s.before[segments])
    total = np.where(first[:, None], 0, increments(s.event[at], s.price[at])).cumsum(axis=0)
    return profile(total + np.repeat(s.before[segments] - total[first], lengths, axis=0))


class SequenceLoader:
    """Batches of an epoch, in an order given by seed and epoch, without the first `skip` batches (a resumed run).

    A batch has at most batch_size events, or one segment. Several processes share the segments of each batch: batches,
    and so steps, are the same for any number of processes, and no segment is repeated or left out.
    """

    def __init__(self, sequences: Sequences, batch_size: int, seed: int) -> None:
        self.sequences, self.batch_size, self.seed = sequences, batch_size, seed
        self.epoch = self.skip = self.rank = 0
        self.world = 1

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the segments of each batch, shuffled; in a batch the shorter ones come first."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.sequences.starts))
        length = (self.sequences.ends - self.sequences.starts)[order]
        total = np.concatenate([[0], np.cumsum(length)])
        cuts, begin = [], 0
        while begin < len(order):
            end = max(begin + 1, int(np.searchsorted(total, total[begin] + self.batch_size, "right")) - 1)
            cuts.append(order[begin:end][np.argsort(length[begin:end], kind="stable")])
            begin = end
        return cuts

    def steps(self, epoch: int) -> int:
        """Return the number of steps of a complete epoch."""
        return len(self.batches(epoch))

    def __len__(self) -> int:
        """Return the number of batches in the epoch, without the skipped ones."""
        return self.steps(self.epoch) - self.skip

    def __iter__(self) -> Iterator[Part]:
        """Yield this process's parts of the batches of the epoch."""
        for segments in self.batches(self.epoch)[self.skip :]:
            yield self.part(segments)

    def part(self, segments: NDArray[np.int64]) -> Part:
        """Return this process's part of a batch; of fewer segments than processes, some get one that does not count."""
        if self.world == 1:
            return self.collate(segments), 1.0
        own = segments[self.rank :: self.world]
        if not len(own):
            return self.collate(segments[:1]), 0.0
        return self.collate(own), self.world * self._weight(own) / self._weight(segments)

    def _weight(self, segments: NDArray[np.int64]) -> float:
        s = self.sequences
        return float(sum(s.weight[s.starts[i] : s.ends[i]].sum(dtype=np.float64) for i in segments))

    def collate(self, segments: NDArray[np.int64]) -> Batch:
        """Return the input before each event of the segments; the event's item, its kind and its weight."""
        s = self.sequences
        lengths = s.ends[segments] - s.starts[segments]
        begin = np.cumsum(lengths) - lengths
        at = np.repeat(s.starts[segments] - begin, lengths) + np.arange(int(lengths.sum()))
        targets, kinds = (torch.from_numpy(column[at].astype(np.int64)) for column in (s.item, s.event))
        return pack(s, segments, lengths - 1), targets, kinds, torch.from_numpy(s.weight[at])
