"""Simulated days: never over budget, on plan, and the value of the policy as the truth has it."""

import numpy as np
import pytest

from components.applications.ads.campaigns import NO_END, NO_START, Ad
from components.applications.ads.market import Market
from components.applications.ads.pacing import HOURS, Pacer, TrafficForecast
from components.applications.ads.policy_value import compare_policies, greedy
from components.applications.ads.simulation import Audience, SimulatedDays, Traffic, simulate

SHARES = (1 / HOURS,) * HOURS
N_USERS, N_ADS, CAP = 60, 4, 3
DAY = 20_000


def audience(noise: float) -> Audience:
    rng = np.random.default_rng(4)
    logit = rng.normal(-0.5, 1, (N_USERS, N_ADS, 1)) - np.array([0.0, 0.5])
    seen = logit + noise * rng.normal(size=logit.shape)
    return Audience([list(range(N_ADS))] * N_USERS, 1 / (1 + np.exp(-seen)), 1 / (1 + np.exp(-logit)))


def market(budget: float, epsilon: float = 0.1, cap: int = 0, bid_type: str = "click") -> Market:
    ads = [Ad(f"a{n}", None, "x", f"c{n % 2}", 0.5 + 0.1 * n, bid_type, budget, NO_START, NO_END, "", cap, 24.0)  # type: ignore[arg-type]
           for n in range(N_ADS)]  # fmt: skip
    return Market(ads, Pacer(TrafficForecast(SHARES), 60.0), 0.01, epsilon)


def run(found: Market, per_day: int, n_days: int = 2, noise: float = 0.3, keeps_log: bool = False) -> SimulatedDays:
    return simulate(found, audience(noise), Traffic(per_day, SHARES, 0.1), DAY, n_days, 1, keeps_log)


@pytest.fixture(scope="module")
def paced() -> SimulatedDays:
    return run(market(150.0), 9000, n_days=1)


def test_spend_follows_the_plan_and_never_exceeds_the_budget(paced: SimulatedDays) -> None:
    assert paced.used().max() <= 1
    assert paced.used().min() > 0.98
    assert paced.total_gap().max() < 0.02
    assert paced.planned.sum(axis=1) == pytest.approx(np.full((1, 2), 150.0))


@pytest.mark.slow
def test_in_quiet_traffic_each_hour_is_within_two_prices_of_its_plan() -> None:
    """An hour in which one price is more than 2 % of the plan cannot be within 2 %: the price is the bound."""
    days = run(market(180.0), 20_000, n_days=30)
    gap = np.abs(days.spent - days.planned)
    assert (days.largest_price > 0.02 * days.planned).all()
    assert (gap <= np.maximum(0.02 * days.planned, 2 * days.largest_price)).all()
    assert gap.mean() < 0.5 * days.largest_price
    assert days.used().max() <= 1
    assert days.used().min() > 0.98


def test_a_budget_above_the_traffic_is_not_spent() -> None:
    days = run(market(10_000.0), 1000, n_days=1)
    assert days.impressions >= 0.99 * days.requests
    assert days.used().max() < 0.1


def test_the_budget_holds_even_for_purchases_that_come_late() -> None:
    days = run(market(60.0, bid_type="purchase"), 3000)
    assert days.used().max() <= 1
    assert days.used().min() > 0.9


def test_frequency_caps_bound_impressions() -> None:
    days = run(market(10_000.0, cap=CAP), 3000, n_days=1)
    assert days.impressions == CAP * N_ADS * N_USERS
    assert days.requests > days.impressions


def test_the_same_seed_gives_the_same_days(paced: SimulatedDays) -> None:
    np.testing.assert_array_equal(run(market(150.0), 9000, n_days=1).spent, paced.spent)


def test_the_log_values_a_policy_as_the_truth_does() -> None:
    logging = run(market(2000.0, epsilon=0.5), 4000, n_days=1, noise=2.0, keeps_log=True)
    log, known = logging.log, audience(0.3)
    assert log is not None
    user, slot, bid = log.user[log.row], log.slot[log.row], np.array([0.5, 0.6, 0.7, 0.8])[log.ad]
    expected, truth = (bid * p[user, log.ad, slot] for p in (known.predicted, known.truth))
    value = compare_policies(log, expected, popularity=bid, epsilon=0.05)["ours"]
    true_value = float((greedy(log, expected, 0.05) * truth).sum() / len(log))
    assert value.dr[1] <= true_value <= value.dr[2]
    assert value.gain[1] > 0
