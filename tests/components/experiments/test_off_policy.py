"""Intervals cover a known value as often as stated; inconsistent logs are refused."""

import numpy as np
import pytest

from components.errors import ContractError
from components.experiments.off_policy import PolicyLog, doubly_robust, doubly_robust_gain, ips, snips

CLICKS = np.array([0.02, 0.1, 0.3])
LOGGED, OTHER = np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.3, 0.6])


def drawn(n: int, seed: int) -> tuple[PolicyLog, np.ndarray]:
    rng = np.random.default_rng(seed)
    action = rng.choice(3, n, p=LOGGED)
    reward = rng.binomial(1, CLICKS[action]).astype(float)
    return PolicyLog(reward, LOGGED[action], OTHER[action]), action


@pytest.mark.parametrize("how", ["ips", "snips", "dr"])
def test_the_true_value_is_covered_as_often_as_stated(how: str) -> None:
    truth, covered = float(CLICKS @ OTHER), []
    for seed in range(300):
        log, action = drawn(2000, seed)
        if how == "dr":
            guess = np.array([0.05, 0.1, 0.25])  # a model that is somewhat wrong
            estimate = doubly_robust(log, 0.1, guess[action], np.full(len(action), float(guess @ OTHER)))
        else:
            estimate = {"ips": ips, "snips": snips}[how](log, 0.1)
        covered.append(estimate.low <= truth <= estimate.high)
    assert 0.84 <= np.mean(covered) <= 0.96


def test_effective_size() -> None:
    log, _ = drawn(1000, 1)
    assert 0 < log.effective_sample_size < 1000
    same = PolicyLog(log.reward, log.logging_propensity, log.logging_propensity)
    assert same.effective_sample_size == pytest.approx(1000)
    assert ips(same, 0.05).value == pytest.approx(snips(same, 0.05).value) == pytest.approx(log.reward.mean())


def test_rewards_of_one_user_are_not_independent() -> None:
    log, _ = drawn(400, 2)
    ten = PolicyLog(
        np.repeat(log.reward, 10),
        np.repeat(log.logging_propensity, 10),
        np.repeat(log.target_propensity, 10),
        np.repeat(np.arange(400), 10),
    )
    alone = ips(log, 0.05)
    together = ips(ten, 0.05)
    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logging_propensity": [0.0, 0.5]}, "propensities"),
        ({"logging_propensity": [np.nan, 0.5]}, "propensities"),
        ({"logging_propensity": [1.5, 0.5]}, "propensities"),
        ({"target_propensity": [0.0, 0.0]}, "no support"),
        ({"target_propensity": [2.0, 0.0]}, "outside"),
        ({"reward": [np.inf, 0.0]}, "not finite"),
        ({"reward": [0.0]}, "as many rewards"),
    ],
)
def test_an_inconsistent_log_is_refused(change: dict, message: str) -> None:
    columns = {"reward": [0.0, 1.0], "logging_propensity": [0.5, 0.5], "target_propensity": [0.5, 0.5]} | change
    with pytest.raises(ContractError, match=message):
        PolicyLog(*(np.array(columns[name]) for name in ("reward", "logging_propensity", "target_propensity")))


def test_the_gain_over_the_logging_policy_is_narrower_than_the_values() -> None:
    log, action = drawn(20_000, 3)
    guess = np.array([0.05, 0.1, 0.25])
    direct = np.full(len(action), float(guess @ OTHER))
    gain = doubly_robust_gain(log, 0.05, guess[action], direct)
    value = doubly_robust(log, 0.05, guess[action], direct)
    assert gain.low <= float(CLICKS @ (OTHER - LOGGED)) <= gain.high
    assert gain.value == pytest.approx(value.value - log.reward.mean())
    same = PolicyLog(log.reward, LOGGED[action], LOGGED[action])
    exact = doubly_robust_gain(same, 0.05, np.zeros(len(action)), np.zeros(len(action)))
    assert (exact.value, exact.low, exact.high) == (0, 0, 0)
