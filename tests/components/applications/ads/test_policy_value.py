"""Policies on a log with known click rates: estimates cover the truth."""

import numpy as np
import pytest

from components.applications.ads.policy_value import ChoiceLog, compare_policies, evaluate, greedy, uniform

TRUTH = np.array([0.02, 0.1, 0.3])  # of each ad, for everybody
BID = 2.0


def drawn(n: int = 6000, seed: int = 2) -> ChoiceLog:
    """Return choices among all three ads, or the first two, by a policy that likes the worst ad."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice([2, 3], n)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    ad = np.concatenate([np.arange(size) for size in sizes])
    logged = np.concatenate([[0.7, 0.3] if size == 2 else [0.6, 0.3, 0.1] for size in sizes])
    picks = np.array(
        [rng.choice(size, p=logged[start : start + size]) for start, size in zip(offsets, sizes, strict=False)]
    )
    reward = BID * (rng.random(n) < TRUTH[picks])
    return ChoiceLog(offsets, ad, logged, offsets[:-1] + picks, reward, rng.integers(0, 500, n), np.zeros(n, np.int64))


def test_propensities_by_hand() -> None:
    log = ChoiceLog(np.array([0, 2, 5]), np.array([0, 1, 0, 1, 2]), np.full(5, 0.5), np.array([0, 2]), np.zeros(2),
                    np.arange(2), np.zeros(2, np.int64))  # fmt: skip
    np.testing.assert_allclose(greedy(log, np.array([1.0, 2, 3, 3, 1]), 0.3), [0.15, 0.85, 0.8, 0.1, 0.1])
    np.testing.assert_allclose(uniform(log), [0.5, 0.5, 1 / 3, 1 / 3, 1 / 3])


def test_estimates_cover_the_truth() -> None:
    log = drawn()
    expected = BID * np.array([0.05, 0.1, 0.2])[log.ad]  # a model that is somewhat wrong, and ranks right
    values = compare_policies(log, expected, popularity=-expected, epsilon=0.1)
    true_value = BID * TRUTH[log.ad]
    for name, target in (("ours", greedy(log, expected, 0.1)), ("random", uniform(log)), ("logging", log.logged),
                         ("popularity", greedy(log, -expected, 0.1))):  # fmt: skip
        truth = float((target * true_value).sum() / len(log))
        for estimate in (values[name].ips, values[name].snips, values[name].dr):
            assert estimate[1] <= truth <= estimate[2], name
    gain = values["ours"].gain
    assert gain[1] > 0
    assert gain[2] - gain[1] < values["ours"].ips[2] - values["ours"].ips[1]
    assert values["logging"].gain[1] <= 0 <= values["logging"].gain[2]


def test_the_logging_policy_is_its_own_mean() -> None:
    log = drawn(500)
    value = evaluate(log, "logging", log.logged, np.zeros(len(log.ad)))
    assert value.ips[0] == value.snips[0] == pytest.approx(log.reward.mean())
    assert value.effective_sample_size == pytest.approx(500)
