"""Histories as batches of like length; which batch comes when is a function of seed and epoch alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.contracts import Interactions, Ragged
from components.recommenders.sequence.model import START

Batch = tuple[Tensor, Tensor, Tensor]  # items, events (b, l) int64, weight (b, l) float32


@dataclass(frozen=True)
class Sequences:
    """Pieces of histories: piece i is [starts[i]:ends[i]] of the columns, at most max_length events."""

    item: NDArray[np.int32]
    event: NDArray[np.int8]
    weight: NDArray[np.float32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


def merge_repeats(rows: Ragged) -> Ragged:
    """Return the rows with each run of the same item as one event, the one that weighs most (a click, then a cart)."""
    n = len(rows.item_idx)
    if not n:
        return rows
    owner = np.repeat(np.arange(len(rows)), np.diff(rows.offsets))
    new = np.ones(n, bool)
    new[1:] = (rows.item_idx[1:] != rows.item_idx[:-1]) | (owner[1:] != owner[:-1])
    run = np.cumsum(new) - 1
    order = np.lexsort((np.arange(n), rows.weight, run))
    last = np.append(np.flatnonzero(np.diff(run[order])), n - 1)
    pick = order[last]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner[new], minlength=len(rows)))]).astype(np.int64)
    return Ragged(offsets, rows.item_idx[pick], rows.timestamp[pick], rows.event[pick], rows.weight[pick])


def training_sequences(interactions: Interactions, max_length: int) -> Sequences:
    """Return the histories of known users, cut into pieces of max_length from the newest event back."""
    known = interactions.user_idx > 0
    counts = np.bincount(interactions.user_idx[known], minlength=interactions.n_users + 1)[1:]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    columns = (getattr(interactions, c)[known] for c in ("item_idx", "timestamp", "event", "weight"))
    rows = merge_repeats(Ragged(offsets, *columns))
    starts, ends = [], []
    for begin, end in zip(rows.offsets[:-1], rows.offsets[1:], strict=True):
        while end > begin:
            starts.append(max(begin, end - max_length))
            ends.append(end)
            end = starts[-1]
    return Sequences(rows.item_idx, rows.event, rows.weight, np.array(starts, np.int64), np.array(ends, np.int64))


class Loader:
    """Batches of an epoch, in the order that seed and epoch give; `skip` batches of it are left out (a resumed run).

    A batch has at most batch_size events, padding included, or one piece. With several processes each takes every n-th
    batch; to come out even, the first batches come twice.
    """

    def __init__(self, sequences: Sequences, batch_size: int, seed: int) -> None:
        self.sequences, self.batch_size, self.seed = sequences, batch_size, seed
        self.epoch = self.skip = self.rank = 0
        self.world = 1

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the pieces of each batch: like lengths together, the batches shuffled."""
        rng = np.random.default_rng([self.seed, epoch])
        length = self.sequences.ends - self.sequences.starts
        order = np.lexsort((rng.random(len(length)), length))
        cuts, begin = [], 0
        while begin < len(order):
            ahead = length[order[begin : begin + self.batch_size]]
            size = int(np.searchsorted(ahead * np.arange(1, len(ahead) + 1), self.batch_size, "right"))
            cuts.append(order[begin : begin + max(1, size)])
            begin += len(cuts[-1])
        shuffled = [cuts[i] for i in rng.permutation(len(cuts))]
        return shuffled + (shuffled * self.world)[: -len(cuts) % self.world]

    def steps(self) -> int:
        """Return the number of steps of a whole epoch: the same for every process and every epoch."""
        return len(self.batches(0)) // self.world

    def __len__(self) -> int:
        """Return the number of batches of this process in the epoch, skipped ones left out."""
        return self.steps() - self.skip

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the epoch."""
        for pieces in self.batches(self.epoch)[self.rank :: self.world][self.skip :]:
            yield self.collate(pieces)

    def collate(self, pieces: NDArray[np.int64]) -> Batch:
        """Return the pieces side by side, the start place first, zeros after their ends."""
        s = self.sequences
        starts, lengths = s.starts[pieces], s.ends[pieces] - s.starts[pieces]
        return pack(s.item, s.event, s.weight, starts, lengths)


def pack(
    item: NDArray[np.int32],
    event: NDArray[np.int8],
    weight: NDArray[np.float32],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> Batch:
    """Return (b, l) tensors of the pieces [starts : starts + lengths], the start place before each."""
    width = int(lengths.max(initial=0)) + 1
    shape = (len(starts), width)
    items, events, weights = np.zeros(shape, np.int64), np.full(shape, START, np.int64), np.zeros(shape, np.float32)
    row = np.repeat(np.arange(len(starts)), lengths)
    column = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    at = np.repeat(starts, lengths) + column
    items[row, column + 1], events[row, column + 1], weights[row, column + 1] = item[at], event[at], weight[at]
    return torch.from_numpy(items), torch.from_numpy(events), torch.from_numpy(weights)
