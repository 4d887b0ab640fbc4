"""Rows of different length in flat arrays: the histories and the ground truth of users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Ragged:
    """Rows of different length: row i is [offsets[i]:offsets[i+1]] of the columns, oldest event first."""

    offsets: Indices  # (n_rows + 1,)
    item_idx: NDArray[np.int32]  # (n_events,)
    timestamp: Indices  # (n_events,) microseconds since 1970 (UTC)
    event: NDArray[np.int8]  # (n_events,) code in contracts.EVENTS
    weight: NDArray[np.float32]  # (n_events,) params split.weights of the event

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.offsets) - 1

    @classmethod
    def concat(cls, parts: Sequence[Ragged]) -> Ragged:
        """Return the rows of all parts, in their order; at least one part."""
        starts = np.cumsum([0, *(len(part.item_idx) for part in parts)])
        offsets = [part.offsets[1:] + start for part, start in zip(parts, starts[:-1], strict=True)]
        columns = zip(*(part._columns() for part in parts), strict=True)
        return cls(np.concatenate([starts[:1], *offsets]), *(np.concatenate(column) for column in columns))

    @property
    def lengths(self) -> Indices:
        """Return (n_rows,) the number of events in each row."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> Indices:
        """Return (n_events,) the row of each event."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def row(self, i: int) -> NDArray[np.int32]:
        """Return the items of row i."""
        return self.item_idx[self.offsets[i] : self.offsets[i + 1]]

    def take(self, index: NDArray[np.integer[Any]]) -> Ragged:
        """Return the rows at `index`, in that order."""
        return self.gather(self.offsets[index], self.lengths[index])

    def slice(self, start: int, stop: int) -> Ragged:
        """Return rows start..stop (stop may exceed the number of rows) as views: no event is copied."""
        offsets = self.offsets[start : stop + 1]
        events = slice(int(offsets[0]), int(offsets[-1]))
        return Ragged(offsets - offsets[0], *(column[events] for column in self._columns()))

    def blocks(self, n_events: int) -> Iterator[tuple[int, Ragged]]:
        """Yield blocks of rows with at most n_events events, or one row: the number of its first row, and views."""
        first = 0
        while first < len(self):
            fits = int(np.searchsorted(self.offsets, self.offsets[first] + n_events, "right")) - 1
            last = max(first + 1, fits)
            yield first, self.slice(first, last)
            first = last

    def filter(self, events: NDArray[np.bool_]) -> Ragged:
        """Return the same rows with only the events of the (n_events,) mask; rows may become empty."""
        return Ragged(offsets_of(events)[self.offsets], *(column[events] for column in self._columns()))

    def newest(self, n: int) -> Ragged:
        """Return the rows cut to their newest n events."""
        lengths = np.minimum(self.lengths, n)
        return self.gather(self.offsets[1:] - lengths, lengths)

    def gather(self, starts: Indices, lengths: Indices) -> Ragged:
        """Return new rows: row i holds the lengths[i] events from starts[i], in whichever rows these were."""
        offsets = offsets_of(lengths)
        index = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(offsets, *(column[index] for column in self._columns()))

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return (self.item_idx, self.timestamp, self.event, self.weight)


def offsets_of(lengths: NDArray[Any]) -> Indices:
    """Return (n + 1,) offsets of n consecutive rows of these lengths, from 0."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
