"""Sections trainer and ranking are bounded."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("trainer.max_epochs=0", "trainer.max_epochs"),
        ("trainer.max_epochs=many", "trainer.max_epochs"),
        ("trainer.strategy=fsdp", "trainer.strategy: Input should be 'auto' or 'ddp'"),
        ("ranking.branches=[text, text]", "no branch twice"),
    ],
)
def test_a_wrong_value_is_refused_by_name(refusal: Callable[[str], str], override: str, named: str) -> None:
    assert named in refusal(override)
