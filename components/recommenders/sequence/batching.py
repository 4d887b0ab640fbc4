"""Histories as pieces laid end to end, without padding; which batch comes when depends on seed and epoch alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.contracts import FloatArray, Interactions, TimeArray
from components.params import SequenceParams
from components.ragged import Ragged, offsets_of
from components.recommenders.sequence.model import GAPS, START, Packed
from components.recommenders.sequence.profile import WIDTH, counted, profile

Batch = tuple[Packed, Tensor, Tensor, Tensor]  # what is known; of the event that follows each place: item, kind, weight
MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Sequences:
    """Pieces of histories: piece i is [starts[i]:ends[i]] of the columns, [older[i]:starts[i]] is what it remembers."""

    item: NDArray[np.int32]
    event: NDArray[np.int8]
    gap: NDArray[np.int8]  # code of the time since the user's event before
    weight: NDArray[np.float32]
    price: FloatArray  # level of the item, in [-1, 1]
    older: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    before: FloatArray  # (pieces, WIDTH) sums over what a piece remembers


def merge_repeats(rows: Ragged) -> Ragged:
    """Return the rows with each run of the same item as one event, the one that weighs most (a click, then a cart)."""
    n = len(rows.item_idx)
    if not n:
        return rows
    owner = rows.rows
    new = np.ones(n, bool)
    new[1:] = (rows.item_idx[1:] != rows.item_idx[:-1]) | (owner[1:] != owner[:-1])
    run = np.cumsum(new) - 1
    order = np.lexsort((np.arange(n), rows.weight, run))
    last = np.append(np.flatnonzero(np.diff(run[order])), n - 1)
    pick = order[last]
    offsets = offsets_of(np.bincount(owner[new], minlength=len(rows)))
    return Ragged(offsets, rows.item_idx[pick], rows.timestamp[pick], rows.event[pick], rows.weight[pick])


def gap_codes(timestamp: TimeArray, offsets: TimeArray) -> NDArray[np.int8]:
    """Return for each event a code of the time since the one before: 0 first, 1 the same minute, then each x 2.8."""
    minutes = np.diff(timestamp, prepend=timestamp[:1]) / MINUTE_US
    codes = 1 + np.ceil(np.log2(np.maximum(minutes, 1)) / 1.5).astype(np.int8)
    first = offsets[:-1]
    codes[first[first < len(codes)]] = 0
    out: NDArray[np.int8] = np.minimum(codes, GAPS - 1)
    return out


def newest_pieces(history: Ragged, params: SequenceParams, price: FloatArray) -> Sequences:
    """Return one piece for each row, its newest max_length events; an empty row is an empty piece.

    price (n_items + 1,) is the level of each item.
    """
    rows = merge_repeats(history)
    starts = np.maximum(rows.offsets[1:] - params.max_length, rows.offsets[:-1])
    return _sequences(rows, starts, rows.offsets[1:], rows.offsets[:-1], params, price)


def training_sequences(interactions: Interactions, params: SequenceParams, price: FloatArray) -> Sequences:
    """Return the histories of known users, cut into pieces of max_length from the newest event back."""
    rows = merge_repeats(interactions.by_user())
    cuts = [(s, e, begin) for begin, end in zip(rows.offsets[:-1], rows.offsets[1:], strict=True)
            for s, e in _cut(int(begin), int(end), params.max_length)]  # fmt: skip
    starts, ends, begins = np.array(cuts, np.int64).reshape(-1, 3).T
    return _sequences(rows, starts, ends, begins, params, price)


def _cut(begin: int, end: int, length: int) -> Iterator[tuple[int, int]]:
    while end > begin:
        yield max(begin, end - length), end
        end = max(begin, end - length)


def _sequences(
    rows: Ragged, starts: TimeArray, ends: TimeArray, begins: TimeArray, params: SequenceParams, price: FloatArray
) -> Sequences:
    older = np.maximum(starts - params.summarised_events, begins)
    gap, level = gap_codes(rows.timestamp, rows.offsets), price[rows.item_idx]
    total = np.concatenate([np.zeros((1, WIDTH)), np.cumsum(counted(rows.event, level), axis=0, dtype=np.float64)])
    before = (total[starts] - total[older]).astype(np.float32)
    return Sequences(rows.item_idx, rows.event, gap, rows.weight, level, older, starts, ends, before)


def pack(s: Sequences, pieces: NDArray[np.int64], known: NDArray[np.int64]) -> Packed:
    """Return the first `known` (p,) events of the pieces (p,), end to end; `known` rises."""
    starts, lengths = s.starts[pieces], known + 1
    begin = np.cumsum(lengths) - lengths
    place = np.arange(int(lengths.sum())) - np.repeat(begin, lengths)
    at = np.maximum(np.repeat(starts, lengths) + place - 1, 0)
    first = place == 0
    columns: list[tuple[NDArray[Any], int]] = [(s.item, 0), (s.event, START), (s.gap, 0)]
    told = [np.where(first, fill, column[at] if len(column) else fill) for column, fill in columns]
    items, events, gaps = (torch.from_numpy(column.astype(np.int64)) for column in told)
    n_older = starts - s.older[pieces]
    older_at = np.cumsum(n_older) - n_older
    older = s.item[np.repeat(s.older[pieces] - older_at, n_older) + np.arange(int(n_older.sum()))].astype(np.int64)
    sizes = zip(*np.unique(lengths, return_counts=True), strict=True)
    groups = tuple((int(count), int(length)) for length, count in sizes)
    places, so_far = torch.from_numpy(place), torch.from_numpy(_profile(s, pieces, at, first, lengths))
    return Packed(items, events, places, gaps, so_far, torch.from_numpy(older), torch.from_numpy(older_at), groups)


def _profile(
    s: Sequences, pieces: NDArray[np.int64], at: NDArray[np.int64], first: NDArray[np.bool_], lengths: NDArray[np.int64]
) -> FloatArray:
    """Return (t, WIDTH): the profile at each place, its own event included."""
    if not len(s.event):
        return profile(s.before[pieces])
    total = np.where(first[:, None], 0, counted(s.event[at], s.price[at])).cumsum(axis=0)
    return profile(total + np.repeat(s.before[pieces] - total[first], lengths, axis=0))


class Loader:
    """Batches of an epoch, in the order that seed and epoch give; `skip` batches of it are left out (a resumed run).

    A batch has at most batch_size events, or one piece. With several processes each takes every n-th batch; to come out
    even, the first batches come twice.
    """

    def __init__(self, sequences: Sequences, batch_size: int, seed: int) -> None:
        self.sequences, self.batch_size, self.seed = sequences, batch_size, seed
        self.epoch = self.skip = self.rank = 0
        self.world = 1

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the pieces of each batch, shuffled; in a batch the shorter ones come first."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.sequences.starts))
        length = (self.sequences.ends - self.sequences.starts)[order]
        total = np.concatenate([[0], np.cumsum(length)])
        cuts, begin = [], 0
        while begin < len(order):
            end = max(begin + 1, int(np.searchsorted(total, total[begin] + self.batch_size, "right")) - 1)
            cuts.append(order[begin:end][np.argsort(length[begin:end], kind="stable")])
            begin = end
        return cuts + (cuts * self.world)[: -len(cuts) % self.world]

    def steps(self, epoch: int) -> int:
        """Return the number of steps of a whole epoch: the same for every process."""
        return len(self.batches(epoch)) // self.world

    def __len__(self) -> int:
        """Return the number of batches of this process in the epoch, skipped ones left out."""
        return self.steps(self.epoch) - self.skip

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the epoch."""
        for pieces in self.batches(self.epoch)[self.rank :: self.world][self.skip :]:
            yield self.collate(pieces)

    def collate(self, pieces: NDArray[np.int64]) -> Batch:
        """Return what is known before each event of the pieces; the event's item, its kind and its weight."""
        s = self.sequences
        lengths = s.ends[pieces] - s.starts[pieces]
        begin = np.cumsum(lengths) - lengths
        at = np.repeat(s.starts[pieces] - begin, lengths) + np.arange(int(lengths.sum()))
        targets, kinds = (torch.from_numpy(column[at].astype(np.int64)) for column in (s.item, s.event))
        return pack(s, pieces, lengths - 1), targets, kinds, torch.from_numpy(s.weight[at])
