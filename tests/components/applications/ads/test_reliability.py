"""Errors and intervals of known distortions, and the gate."""

import numpy as np
import pytest

from components.applications.ads.calibration import PlattScaling, SlotCalibration, fit_base_rates, identity
from components.applications.ads.reliability import SlotImpressions, calibration_error, judge, reliability

RNG_SEED = 11


def impressions(shift: float = 0.0, n: int = 20_000, seed: int = RNG_SEED) -> SlotImpressions:
    """Return impressions whose true log-odds are the prediction's plus `shift`."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-2, 1, n)
    outcome = (rng.random(n) < 1 / (1 + np.exp(-logit - shift))).astype(float)
    return SlotImpressions(1 / (1 + np.exp(-logit)), rng.integers(1, 3, n), outcome, rng.integers(0, 2000, n))


def test_bins_by_hand() -> None:
    p, outcome = np.linspace(0.0, 0.99, 100), np.array([0, 1] * 50)
    bins = reliability(p, outcome)
    assert [b.n for b in bins] == [10] * 10
    assert bins[0].predicted == pytest.approx(0.045)
    assert {b.observed for b in bins} == {0.5}
    assert bins[0].low < 0.5 < bins[0].high


def test_the_error_of_a_constant_gap_is_the_gap() -> None:
    outcome = np.array([1.0, 0.0] * 500)
    error = calibration_error(np.full(1000, 0.6), outcome, np.arange(1000) // 2, seed=1)
    assert error.value == pytest.approx(0.1)
    assert error.low == pytest.approx(0.1)  # each user has the same gap
    assert error.high == pytest.approx(0.1)


def test_the_interval_of_calibrated_predictions_is_near_zero() -> None:
    sample = impressions()
    error = calibration_error(sample.predicted, sample.outcome, sample.user, seed=1)
    assert error.low == 0.0
    assert error.value < 0.01


def test_a_good_calibration_ships() -> None:
    later = impressions(shift=-1.0)
    ours = SlotCalibration(slots={}, rest=PlattScaling(slope=1.0, shift=-1.0))
    verdict = judge("click", later, ours, fit_base_rates(later.slot, later.outcome), seed=1)
    assert verdict.ships
    assert verdict.log_loss < min(verdict.log_loss_uncalibrated, verdict.log_loss_base_rate)
    assert verdict.error.value < 0.01 < verdict.error_uncalibrated.low


def test_a_calibration_that_is_worse_than_none_does_not_ship() -> None:
    later = impressions()
    ours = SlotCalibration(slots={}, rest=PlattScaling(slope=1.0, shift=-1.0))
    verdict = judge("click", later, ours, fit_base_rates(later.slot, later.outcome), seed=1)
    assert not verdict.ships
    assert [r.key for r in verdict.reasons] == ["ads_loss_above_own", "ads_error_above_own"]


def test_predictions_without_information_do_not_beat_base_rates() -> None:
    rng = np.random.default_rng(RNG_SEED)
    sample = impressions()
    noise = SlotImpressions(rng.uniform(0.01, 0.5, len(sample)), sample.slot, sample.outcome, sample.user)
    verdict = judge("click", noise, identity(), fit_base_rates(noise.slot, noise.outcome), seed=1)
    assert not verdict.ships
    assert "ads_loss_above_base" in [r.key for r in verdict.reasons]
