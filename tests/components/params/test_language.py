"""Section language accepts only consistent values."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("language.pretrain.pairs_per_step=1", "pairs_per_step > 1"),
        ("language.sentiment.negative=4", "is not below positive"),
        ("language.max_tokens=3", "language.max_tokens"),
        ("language.compress.variants=[int4]", "language.compress.variants"),
    ],
)
def test_a_wrong_value_is_refused_by_name(refusal: Callable[[str], str], override: str, named: str) -> None:
    assert named in refusal(override)
