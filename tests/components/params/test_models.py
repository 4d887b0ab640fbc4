"""The sections of recommenders are bounded."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("models.sequence.heads=3", "not a multiple of heads"),
        ("models.hybrid.parts=[]", "models.hybrid.parts"),
        ("models.ease.recency=1.1", "models.ease.recency"),
    ],
)
def test_a_wrong_value_is_refused_by_name(refusal: Callable[[str], str], override: str, named: str) -> None:
    assert named in refusal(override)
