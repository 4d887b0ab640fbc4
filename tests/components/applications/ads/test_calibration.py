"""Curves recover a known distortion; the better method wins; a slot with few events has no curve of its own."""

import json

import numpy as np
import pytest

from components.applications.ads.calibration import (
    BaseRate,
    IsotonicSteps,
    PlattScaling,
    SlotCalibration,
    fit_base_rates,
    fit_slots,
    identity,
    log_losses,
)


def drawn(distortion: str, n: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return predictions, slots, outcomes, users and true probabilities: slot 1 is distorted, slot 2 half of it."""
    rng = np.random.default_rng(5)
    p, slot, user = rng.uniform(0.02, 0.6, n), rng.integers(1, 3, n), rng.integers(0, n // 10, n)
    logit = np.log(p / (1 - p))
    truth = 1 / (1 + np.exp(-(0.5 * logit - 1))) if distortion == "platt" else np.where(p < 0.3, 0.05, 0.4)
    truth = truth / slot
    return p, slot, (rng.random(n) < truth).astype(float), user, truth


@pytest.mark.parametrize("distortion", ["platt", "isotonic"])
def test_the_right_method_wins_and_recovers_the_truth(distortion: str) -> None:
    p, slot, outcome, user, truth = drawn(distortion)
    calibration = fit_slots(p, slot, outcome, user, seed=1)
    assert calibration.slots[1].method == distortion
    assert np.abs(calibration.apply(p, slot) - truth).mean() < 0.012
    assert calibration.slots[1] != calibration.slots[2]


def test_platt_by_hand() -> None:
    curve = PlattScaling(slope=2.0, shift=1.0)
    assert curve.apply(np.array([0.5]))[0] == pytest.approx(1 / (1 + np.exp(-1)))


def test_isotonic_steps_stay_inside() -> None:
    p = np.linspace(0.1, 0.9, 400)
    calibration = fit_slots(p, np.ones(400, int), (p > 0.5).astype(float), np.arange(400), seed=1)
    assert 0 < calibration.apply(p, 1).min() < calibration.apply(p, 1).max() < 1


def test_a_slot_with_few_events_shares_the_curve_of_all() -> None:
    p, slot, outcome, user, _ = drawn("platt")
    slot[:60] = 3
    outcome[:60] = 0
    calibration = fit_slots(p, slot, outcome, user, seed=1)
    assert sorted(calibration.slots) == [1, 2]
    np.testing.assert_array_equal(calibration.apply(p[:5], 3), calibration.rest.apply(p[:5]))


def test_base_rates_by_hand() -> None:
    slot, outcome = np.array([1] * 10 + [2] * 10), np.array([1.0] * 4 + [0.0] * 16)
    rates = fit_base_rates(slot, outcome)
    overall = 4.5 / 21
    assert isinstance(rates.rest, BaseRate)
    assert rates.rest.rate == pytest.approx(overall)
    np.testing.assert_allclose(rates.apply(np.array([0.5, 0.5]), np.array([1, 2])),
                               [5 / (10 + 1 / overall), 1 / (10 + 1 / overall)])  # fmt: skip


def test_it_is_stored_as_json() -> None:
    p, slot, outcome, user, _ = drawn("isotonic", 4000)
    calibration = fit_slots(p, slot, outcome, user, seed=1)
    again = SlotCalibration.model_validate_json(json.dumps(json.loads(calibration.model_dump_json())))
    assert again == calibration
    assert isinstance(again.slots[1], IsotonicSteps)
    np.testing.assert_array_equal(again.apply(p, slot), calibration.apply(p, slot))


def test_the_identity_changes_nothing() -> None:
    np.testing.assert_allclose(identity().apply(np.array([0.1, 0.7]), 4), [0.1, 0.7])


def test_log_losses_by_hand() -> None:
    np.testing.assert_allclose(log_losses(np.array([0.8, 0.8]), np.array([1, 0])), -np.log([0.8, 0.2]))
