"""Segments of histories end to end, without padding, and the runs of similar lengths that attention pads.

Shapes: p segments, t positions in all of them.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple, Self

import torch
from torch import Tensor

Groups = tuple[tuple[int, int], ...]  # (number of segments, their length), ascending


class Packed(NamedTuple):
    """Segments end to end, each with a start position in front; those of equal length are adjacent."""

    items: Tensor  # (t,) 0 at a start position
    events: Tensor  # (t,) START at a start position
    positions: Tensor  # (t,) 0 at a start position, then 1, 2, ...
    gaps: Tensor  # (t,) code of the time since the previous event
    profile: Tensor  # (t, WIDTH) the user's profile at the position
    older: Tensor  # items of the summarised events, one segment after the other
    older_at: Tensor  # (p,) where the older items of each segment begin
    groups: Groups  # in the order of the positions

    def on(self, device: torch.device) -> Self:
        """Return a copy on the device."""
        parts = {name: part.to(device) for name, part in self._asdict().items() if isinstance(part, Tensor)}
        return self._replace(**parts)  # type: ignore[arg-type]


def last_positions(groups: Groups) -> Tensor:
    """Return (p,) the last position of each segment."""
    return torch.cat(
        [torch.arange(part.start + length - 1, part.stop, length) for part, _, length in groups_of(groups)]
    )


def padded_positions(groups: Groups, device: torch.device) -> tuple[Tensor, int, int]:
    """Return (t,) where each position lies among the segments padded to one length; their number and that length."""
    length = max(size for _, size in groups)
    lengths = torch.tensor([size for count, size in groups for _ in range(count)])
    begin = lengths.cumsum(0) - lengths
    shift = torch.arange(len(lengths)) * length - begin
    at = torch.arange(int(lengths.sum())) + shift.repeat_interleave(lengths)
    return at.to(device), len(lengths), length


def buckets(groups: Groups) -> Iterator[tuple[slice, Groups]]:
    """Yield runs of groups of similar lengths, with their positions: padding at most doubles a length above 8."""
    at = 0
    for _, run in groupby(groups, lambda group: max(8, 1 << (group[1] - 1).bit_length())):
        bucket = tuple(run)
        end = at + sum(count * length for count, length in bucket)
        yield slice(at, end), bucket
        at = end


def groups_of(groups: Groups) -> Iterator[tuple[slice, int, int]]:
    """Yield the positions of each group, its number of segments and their length."""
    at = 0
    for segments, length in groups:
        yield slice(at, at + segments * length), segments, length
        at += segments * length
