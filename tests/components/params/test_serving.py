"""Sections search and serving are bounded."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("serving.port=70000", "serving.port"),
        ("serving.challenger.max_latency_ratio=0.5", "serving.challenger.max_latency_ratio"),
        ("search.field_weights.title=-1", "search.field_weights.title"),
    ],
)
def test_a_wrong_value_is_refused_by_name(refusal: Callable[[str], str], override: str, named: str) -> None:
    assert named in refusal(override)
