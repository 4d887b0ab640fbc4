"""Gamma-Gamma: published figures on CDNOW, and parameters found again in drawn customers."""

import numpy as np
import pytest

from components.applications.marketing.gamma_gamma import GammaGamma, fit_gamma_gamma
from components.errors import ContractError
from tests.components.applications.marketing.test_bg_nbd import read_cdnow

PUBLISHED = GammaGamma(p=6.25, q=3.74, gamma=15.44, log_likelihood=0, correlation=0)  # Fader and Hardie 2013


def test_cdnow_gives_the_published_parameters() -> None:
    data = read_cdnow("lifetimes/datasets/cdnow_customers_summary_with_transactions.csv")
    repeats = data["x"] > 0
    fitted = fit_gamma_gamma(data["x"][repeats], data["zbar"][repeats])
    assert repeats.sum() == 946
    assert (fitted.p, fitted.q, fitted.gamma) == pytest.approx((6.25, 3.74, 15.44), abs=0.01)
    assert fitted.correlation == pytest.approx(0.11, abs=0.005)


def test_the_expected_value_by_hand() -> None:
    """p (gamma + x z) / (p x + q - 1): without an order the mean of all; many orders count almost alone."""
    found = PUBLISHED.expect_value(np.array([0.0, 2.0, 1000.0]), np.array([np.nan, 50.0, 50.0]))
    assert found[0] == pytest.approx(6.25 * 15.44 / 2.74)
    assert found[0] == pytest.approx(PUBLISHED.mean)
    assert found[1] == pytest.approx(6.25 * (15.44 + 100) / (12.5 + 2.74))
    assert found[2] == pytest.approx(50, rel=0.001)


def test_parameters_are_found_again_in_any_currency() -> None:
    rng = np.random.default_rng(2)
    orders = rng.integers(1, 8, 8000).astype(float)
    rate = rng.gamma(4.0, 1 / 20.0, 8000)
    mean = rng.gamma(6.0 * orders, 1 / rate) / orders
    fitted, cents = fit_gamma_gamma(orders, mean), fit_gamma_gamma(orders, 100 * mean)
    assert (fitted.p, fitted.q, fitted.gamma) == pytest.approx((6.0, 4.0, 20.0), rel=0.1)
    assert cents.mean == pytest.approx(100 * fitted.mean, rel=0.01)
    assert fitted.mean == pytest.approx(40, rel=0.05)


def test_values_that_cannot_be_are_refused() -> None:
    with pytest.raises(ContractError, match="a finite mean value above 0"):
        fit_gamma_gamma(np.ones(20), np.zeros(20))
    with pytest.raises(ContractError, match="9 customers"):
        fit_gamma_gamma(np.ones(9), np.ones(9))
