"""The accountant against dp-accounting; shares of a budget; noise that is enough and not far too much."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from components.errors import ContractError
from components.privacy.accounting import Budget, Mechanism, Spending, spent_epsilon

# dp-accounting 0.6.0, PLDAccountant, add-or-remove-one, delta 1e-5; it does not install beside our pins
REFERENCE = {
    (1.2, 0.1, 100): 5.075091926362603,
    (1.5, 0.05, 400): 3.360434471699121,
    (0.9, 0.01, 3000): 3.9695883710236197,
    (2.0, 0.3, 40): 4.807706828222405,
    (3.73, 1.0, 1): 1.000185968757329,
    (0.8, 1.0, 1): 5.679586857552093,
}
COMPOSED = 6.238698720142359  # of the Gaussian 3.0 once, 1.5 at rate .05 in 400 steps, and 2.0 at rate .3 in 40


def mechanism(noise: float, rate: float = 1.0, steps: int = 1) -> Mechanism:
    return Mechanism(name="part", noise_multiplier=noise, sample_rate=rate, steps=steps)


@pytest.mark.parametrize(("noise", "rate", "steps"), REFERENCE)
def test_epsilon_is_that_of_dp_accounting(noise: float, rate: float, steps: int) -> None:
    expected = REFERENCE[noise, rate, steps]
    assert expected <= spent_epsilon([mechanism(noise, rate, steps)], 1e-5) * 1.0001
    assert spent_epsilon([mechanism(noise, rate, steps)], 1e-5) == pytest.approx(expected, rel=0.01)


def test_epsilon_of_several_mechanisms_is_that_of_dp_accounting() -> None:
    parts = [mechanism(3.0), mechanism(1.5, 0.05, 400), mechanism(2.0, 0.3, 40)]
    assert spent_epsilon(parts, 1e-5) == pytest.approx(COMPOSED, rel=0.01)


def test_epsilon_of_gaussian_noise_is_that_of_the_closed_form() -> None:
    """Balle & Wang 2018, theorem 8: delta of the Gaussian mechanism, sensitivity 1."""
    noise, epsilon = 1.7, spent_epsilon([mechanism(1.7)], 1e-6)
    a, b = 1 / (2 * noise), epsilon * noise
    assert norm.cdf(a - b) - math.exp(epsilon) * norm.cdf(-a - b) == pytest.approx(1e-6, rel=0.05)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 4.0, 8.0])
def test_all_shares_together_spend_most_of_epsilon_and_no_more(epsilon: float) -> None:
    shares = {0.4: (1.0, 3), 0.5: (0.2, 60), 0.1: (1.0, 1)}
    parts = [
        mechanism(Budget(epsilon=epsilon, delta=1e-5, share=share).noise_multiplier(rate, steps), rate, steps)
        for share, (rate, steps) in shares.items()
    ]
    assert 0.75 * epsilon < spent_epsilon(parts, 1e-5) <= epsilon


def test_less_budget_more_noise() -> None:
    noise = [Budget(epsilon=e, delta=1e-5, share=0.5).noise_multiplier(0.1, 200) for e in (1, 4, 8)]
    assert noise[0] > 2 * noise[1] > 2 * noise[2]
    assert Budget(epsilon=4, delta=1e-5, share=0.25).noise_multiplier() == pytest.approx(
        2 * Budget(epsilon=4, delta=1e-5, share=1.0).noise_multiplier()
    )


def test_infinite_epsilon_needs_no_noise_and_is_reported_as_infinite() -> None:
    assert Budget(epsilon=math.inf, delta=1e-5, share=0.5).noise_multiplier(0.1, 10) == 0
    assert math.isinf(spent_epsilon([mechanism(0.0), mechanism(1.0)], 1e-5))
    assert spent_epsilon([], 1e-5) == 0


def test_no_share_and_a_tiny_epsilon_are_refused() -> None:
    with pytest.raises(ContractError, match="without a share"):
        Budget(epsilon=1, delta=1e-5, share=0).noise_multiplier()
    with pytest.raises(ContractError, match=r"privacy.epsilon 0.001 is too small for privacy.delta 1e-09"):
        Budget(epsilon=0.001, delta=1e-9, share=1).noise_multiplier()


def test_spending_names_unit_and_accountant() -> None:
    found = Spending.of([mechanism(3.73)], 1e-5)
    assert found.describe() == "epsilon 1.00, delta 1e-05, unit user, accountant PRV (opacus)"
    assert np.isclose(found.epsilon, 1.0, atol=0.01)
