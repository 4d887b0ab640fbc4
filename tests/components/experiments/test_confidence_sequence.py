"""Looking every day must not make a claim out of nothing; and what is there must be found."""

import numpy as np
import pytest

from components.experiments.confidence_sequence import boundary, cuped, difference

DAYS = 30


def ever(gain: float, seed: int, alpha: float = 0.05) -> bool:
    """Return whether any of thirty daily looks claims a difference."""
    rng = np.random.default_rng(seed)
    arms = [rng.binomial(1, p, 3000).astype(float) for p in (0.1, 0.1 + gain)]
    looks = np.linspace(100, 3000, DAYS).astype(int)
    return any(difference(arms[0][:n], arms[1][:n], alpha, 3000).side for n in looks)


def test_without_a_difference_one_is_rarely_claimed_and_a_single_look_test_would_do_so_often() -> None:
    assert np.mean([ever(0.0, seed) for seed in range(200)]) <= 0.05

    def naive(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        arms = [rng.binomial(1, 0.1, 3000).astype(float) for _ in range(2)]
        looks = np.linspace(100, 3000, DAYS).astype(int)
        return any(
            abs(arms[1][:n].mean() - arms[0][:n].mean()) > 1.96 * np.sqrt(arms[0][:n].var() / n + arms[1][:n].var() / n)
            for n in looks
        )

    assert np.mean([naive(seed) for seed in range(200)]) > 0.15


def test_a_difference_is_found_on_its_side() -> None:
    assert np.mean([ever(0.05, seed) for seed in range(40)]) > 0.9
    rng = np.random.default_rng(1)
    one, other = rng.normal(0, 1, 4000), rng.normal(0.2, 1, 4000)
    assert difference(one, other, 0.05, 4000).side == 1
    assert difference(other, one, 0.05, 4000).side == -1


def test_the_sequence_is_wider_than_one_look_and_narrowest_where_it_was_asked_to_be() -> None:
    assert boundary(1000, 0.05, 1000) > 1.96
    assert boundary(1000, 0.05, 1000) < boundary(1000, 0.05, 100_000)
    assert boundary(1000, 0.01, 1000) > boundary(1000, 0.05, 1000)


@pytest.mark.parametrize("arms", [([], [1.0, 2.0]), ([1.0], [1.0, 2.0]), ([0.0] * 9, [0.0] * 9)])
def test_too_little_says_nothing(arms: tuple[list[float], list[float]]) -> None:
    told = difference(np.array(arms[0]), np.array(arms[1]), 0.05, 100)
    assert (told.low, told.high, told.side) == (-np.inf, np.inf, 0)


def test_the_past_takes_noise_away_and_moves_no_mean() -> None:
    rng = np.random.default_rng(2)
    before = rng.gamma(2, 2, 4000)
    outcome = before + rng.normal(0, 1, 4000)
    adjusted = cuped(outcome, before)
    assert adjusted.var() < 0.3 * outcome.var()
    assert adjusted.mean() == pytest.approx(outcome.mean())
    np.testing.assert_array_equal(cuped(outcome, np.zeros(4000)), outcome)
    arm = rng.random(4000) < 0.5
    told = difference(cuped(outcome + arm, before)[~arm], cuped(outcome + arm, before)[arm], 0.05, 4000)
    assert told.low < 1 < told.high
