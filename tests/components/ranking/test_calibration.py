"""Each step's probabilities are calibrated, and hardly changed where there are few examples."""

import numpy as np
import pytest

from components.ranking.calibration import fit_calibration


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return logits that are twice too large and one too high, labels of a funnel of two steps, and true logits."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 2))
    happens = rng.random((n, 2)) < 1 / (1 + np.exp(-truth))
    labels = np.stack([happens[:, 0], happens.all(axis=1)], axis=1).astype(np.float32)
    return (2 * truth + 1).astype(np.float32), labels, truth


def test_wrong_scale_and_shift_are_corrected() -> None:
    steps, labels, truth = drawn(20_000, 0)
    calibration = fit_calibration(steps, labels)
    np.testing.assert_allclose(calibration[:, 0], 0.5, atol=0.05)
    np.testing.assert_allclose(calibration[:, 1], -0.5, atol=0.08)
    np.testing.assert_allclose(steps * calibration[:, 0] + calibration[:, 1], truth, atol=0.3)


def test_the_second_step_is_fitted_on_examples_with_the_first() -> None:
    steps, labels, _ = drawn(2_000, 1)
    other = steps.copy()
    other[labels[:, 0] < 0.5, 1] = 99.0  # these did not take the first step
    np.testing.assert_array_equal(fit_calibration(other, labels), fit_calibration(steps, labels))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_few_examples_change_calibration_little(n: int) -> None:
    steps, labels, _ = drawn(n, 2)
    calibration = fit_calibration(steps, labels)
    assert (calibration[:, 0] > 0).all()
    assert np.abs(np.log(calibration[:, 0])).max(initial=0) < 1.5
    assert np.abs(calibration[:, 1]).max(initial=0) < 1.5
    if n == 0:
        np.testing.assert_allclose(calibration, [[1, 0], [1, 0]], atol=1e-6)
