"""Sections evaluation, gate and release accept only consistent values."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("gate.confidence=1.5", "gate.confidence"),
        ("evaluation.primary=ndcg_at_7", "needs its k among"),
        ("evaluation.baselines=[ease]", "ease is a candidate and would be its own baseline"),
        ("release.name=../up", "release.name"),
    ],
)
def test_a_wrong_value_is_refused_by_name(refusal: Callable[[str], str], override: str, named: str) -> None:
    assert named in refusal(override)
