"""With daily looks, false claims stay below alpha, and real differences are found."""

import numpy as np
import pytest

from components.experiments.confidence_sequence import boundary, cuped, estimate_difference

DAYS = 30


def claims_ever(gain: float, seed: int, alpha: float = 0.05) -> bool:
    """Return whether any of thirty daily looks claims a difference."""
    rng = np.random.default_rng(seed)
    arms = [rng.binomial(1, p, 3000).astype(float) for p in (0.1, 0.1 + gain)]
    looks = np.linspace(100, 3000, DAYS).astype(int)
    return any(estimate_difference(arms[0][:n], arms[1][:n], alpha, 3000).sign for n in looks)


def test_without_a_difference_few_claims_while_a_repeated_z_test_makes_many() -> None:
    assert np.mean([claims_ever(0.0, seed) for seed in range(200)]) <= 0.05

    def naive(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        arms = [rng.binomial(1, 0.1, 3000).astype(float) for _ in range(2)]
        looks = np.linspace(100, 3000, DAYS).astype(int)
        return any(
            abs(arms[1][:n].mean() - arms[0][:n].mean()) > 1.96 * np.sqrt(arms[0][:n].var() / n + arms[1][:n].var() / n)
            for n in looks
        )

    assert np.mean([naive(seed) for seed in range(200)]) > 0.15


def test_a_difference_is_found_with_its_sign() -> None:
    assert np.mean([claims_ever(0.05, seed) for seed in range(40)]) > 0.9
    rng = np.random.default_rng(1)
    one, other = rng.normal(0, 1, 4000), rng.normal(0.2, 1, 4000)
    assert estimate_difference(one, other, 0.05, 4000).sign == 1
    assert estimate_difference(other, one, 0.05, 4000).sign == -1


def test_the_boundary_is_wider_than_of_a_single_look_and_narrowest_at_target_users() -> None:
    assert boundary(1000, 0.05, 1000) > 1.96
    assert boundary(1000, 0.05, 1000) < boundary(1000, 0.05, 100_000)
    assert boundary(1000, 0.01, 1000) > boundary(1000, 0.05, 1000)


@pytest.mark.parametrize("arms", [([], [1.0, 2.0]), ([1.0], [1.0, 2.0]), ([0.0] * 9, [0.0] * 9)])
def test_too_few_users_give_an_infinite_interval(arms: tuple[list[float], list[float]]) -> None:
    estimate = estimate_difference(np.array(arms[0]), np.array(arms[1]), 0.05, 100)
    assert (estimate.low, estimate.high, estimate.sign) == (-np.inf, np.inf, 0)


def test_cuped_reduces_variance_and_keeps_the_mean() -> None:
    rng = np.random.default_rng(2)
    before = rng.gamma(2, 2, 4000)
    outcome = before + rng.normal(0, 1, 4000)
    adjusted = cuped(outcome, before)
    assert adjusted.var() < 0.3 * outcome.var()
    assert adjusted.mean() == pytest.approx(outcome.mean())
    np.testing.assert_array_equal(cuped(outcome, np.zeros(4000)), outcome)
    arm = rng.random(4000) < 0.5
    estimate = estimate_difference(cuped(outcome + arm, before)[~arm], cuped(outcome + arm, before)[arm], 0.05, 4000)
    assert estimate.low < 1 < estimate.high
