"""The learning rate rises, then falls to a twentieth."""

import pytest

from components.recommenders.sequence.schedule import lr_multiplier


def test_it_rises_over_the_warm_up_and_falls_along_a_cosine() -> None:
    values = [lr_multiplier(step, 100, 0.1) for step in range(101)]
    assert values[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert values[10] == 1
    assert values[55] == pytest.approx(0.05 + 0.95 / 2)
    assert values[100] == pytest.approx(0.05)
