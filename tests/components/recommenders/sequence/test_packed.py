"""Where positions lie among padded segments, and which segments attention pads to one length."""

import torch

from components.recommenders.sequence.packed import buckets, last_positions, padded_positions


def test_the_last_position_of_each_segment() -> None:
    assert last_positions(((2, 1), (2, 3))).tolist() == [0, 1, 4, 7]


def test_segments_of_any_length_are_padded_to_the_longest() -> None:
    at, segments, length = padded_positions(((2, 1), (1, 3)), torch.device("cpu"))
    assert (at.tolist(), segments, length) == ([0, 3, 6, 7, 8], 3, 3)


def test_segments_of_similar_lengths_share_a_bucket() -> None:
    groups = ((2, 1), (1, 8), (3, 9), (1, 16), (1, 51))
    found = list(buckets(groups))
    assert [bucket for _, bucket in found] == [groups[:2], groups[2:4], groups[4:]]
    assert [(part.start, part.stop) for part, _ in found] == [(0, 10), (10, 53), (53, 104)]
