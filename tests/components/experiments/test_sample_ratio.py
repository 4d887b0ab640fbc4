"""Mismatched arms are detected; matching ones rarely raise an alarm, at any number of looks."""

import numpy as np
import pytest

from components.experiments.sample_ratio import sample_ratio_evidence


def test_the_evidence_is_valid_at_all_times() -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(200):
        sides = rng.random(4000) < 0.5
        alarms += any(
            sample_ratio_evidence([int((~sides[:n]).sum()), int(sides[:n].sum())], [0.5, 0.5]) > 20
            for n in range(50, 4001, 50)
        )
    assert alarms / 200 <= 0.05
    assert sample_ratio_evidence([4700, 5300], [0.5, 0.5]) > 1000
    assert sample_ratio_evidence([470, 530], [0.1, 0.1]) < 20
    assert sample_ratio_evidence([0, 0], [0.5, 0.5]) == pytest.approx(1)
    assert sample_ratio_evidence([100_000, 0], [0.5, 0.5]) == float("inf")
