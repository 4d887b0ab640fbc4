"""The gate of probabilities, and policy values from a log, on data with known answers."""

from dataclasses import replace

import numpy as np
import pytest

from components.applications.ads.build import Predicted, calibrate, log_impressions, replay, value_policies
from components.applications.ads.log_file import AdLog
from components.applications.ads.published import PublishedAds
from components.applications.ads.reliability import SlotImpressions
from components.times import to_datetime
from tests.components.applications.ads.test_published import make

N = 6000
CLICK = np.array([0.1, 0.4])  # of ads a and b, for every user


def logged() -> AdLog:
    """Return a log in which ad a was shown 9 times of 10, though b is clicked more often."""
    rng = np.random.default_rng(3)
    shown = (rng.random(N) < 0.1).astype(int)
    clicked = rng.random(N) < CLICK[shown]
    rows = [
        {"timestamp": to_datetime(n), "user_id": f"u{n % 300}", "slot": 1, "ad_id": "ab"[shown[n]],
         "candidates": ["a", "b"], "propensities": [0.9, 0.1], "clicked": bool(clicked[n]), "purchased": False}
        for n in range(N)
    ]  # fmt: skip
    return AdLog(rows, {})


def predicted() -> Predicted:
    row = {f"u{n}": n + 1 for n in range(300)}
    click = np.tile(np.array([0.1, 0.4, np.nan], np.float32), (301, 1))
    return Predicted(row, {"click": click, "purchase": click / 10})


def published() -> PublishedAds:
    """Return the ads, those of purchases without a probability of any."""
    found = make()
    return replace(found, ads=found.ads[:2])


def test_a_calibration_that_passes_ships() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.05, 0.6, N)
    impressions = SlotImpressions(p, np.ones(N, int), (rng.random(N) < p / 2).astype(float), np.arange(N) % 300)
    found = calibrate("click", impressions, "lists", seed=1)
    assert found.verdict.ships
    assert sum(b.n for b in found.bins) == N // 2
    assert found.ships.apply(np.array([0.4]), 1)[0] == pytest.approx(0.2, abs=0.03)


def test_predictions_that_say_nothing_ship_as_base_rates() -> None:
    rng = np.random.default_rng(1)
    outcome = np.r_[rng.random(N // 2) < np.linspace(0.05, 0.4, N // 2), rng.random(N // 2) < 0.2]
    p = np.r_[np.linspace(0.05, 0.4, N // 2), rng.uniform(0.05, 0.4, N // 2)]  # right at first, noise later
    impressions = SlotImpressions(p, np.ones(N, int), outcome.astype(float), np.arange(N) % 300)
    found = calibrate("click", impressions, "lists", seed=1)
    assert not found.verdict.ships
    assert found.ships == found.base_rates


def test_the_log_is_calibrated_on_where_it_has_enough_events() -> None:
    impressions = log_impressions("click", logged(), {"a": 0, "b": 1}, predicted())
    assert impressions is not None
    assert len(impressions) == N
    assert log_impressions("purchase", logged(), {"a": 0, "b": 1}, predicted()) is None


def test_the_better_ad_is_worth_more() -> None:
    values = value_policies(logged(), published(), predicted())
    bids = np.array([0.5, 0.4])
    greedy = 0.95 * bids[1] * CLICK[1] + 0.05 * bids[0] * CLICK[0]  # epsilon .1: half of it on each
    assert values["ours"].dr[1] <= greedy <= values["ours"].dr[2]
    assert values["ours"].gain[1] > 0
    assert values["random"].dr[1] <= float(bids @ CLICK) / 2 <= values["random"].dr[2]


def test_replayed_days_stay_within_budgets() -> None:
    days = replay(published(), predicted(), [frozenset({"segment:lapsed"})] * 301, 20_000, seed=1)
    assert days.campaigns == ["c1", "c2"]
    assert days.used().max() <= 1
    assert days.impressions > 1000
