"""The plan follows the forecast; participation falls as spend reaches it."""

import numpy as np
import pytest

from components.applications.ads.pacing import Pacer, TrafficForecast, forecast_traffic
from components.errors import ContractError
from components.times import DAY_US, HOUR_US, SECOND_US

FLAT = TrafficForecast((1 / 24,) * 24)
BUSY = TrafficForecast((0.02,) * 12 + (0.76 / 12,) * 12)
DAY = 20_000 * DAY_US


def test_the_plan_is_the_forecast_times_the_budget() -> None:
    pacer = Pacer(BUSY, 60)
    assert pacer.planned(100, DAY) == 0
    assert pacer.planned(100, DAY + 6 * HOUR_US) == pytest.approx(12)
    assert pacer.planned(100, DAY + 12 * HOUR_US + HOUR_US // 2) == pytest.approx(24 + 100 * 0.76 / 24)
    assert pacer.planned(100, DAY + DAY_US - 1) == pytest.approx(100)


def test_a_campaign_that_starts_today_is_planned_from_then_on() -> None:
    pacer, noon = Pacer(FLAT, 60), DAY + 12 * HOUR_US
    assert pacer.planned(100, noon, start=noon) == 0
    assert pacer.planned(100, noon + 6 * HOUR_US, start=noon) == pytest.approx(25)
    assert pacer.planned(100, noon, start=DAY - HOUR_US) == pytest.approx(50)


def test_participation_is_proportional_to_what_is_missing() -> None:
    pacer, at = Pacer(FLAT, 60.0), DAY + 12 * HOUR_US  # 60 s of plan: 2,400 / 24 / 60 = 1.667
    width = 2400 / 24 / 60
    assert pacer.participation(2400, 1200, at) == 0
    assert pacer.participation(2400, 1300, at) == 0
    assert pacer.participation(2400, 1200 - width / 4, at) == pytest.approx(0.25)
    assert pacer.participation(2400, 1200 - 2 * width, at) == 1
    assert pacer.participation(2400, 0, DAY) == 0  # nothing is planned at midnight
    assert pacer.participation(2400, 0, DAY + 30 * SECOND_US) == pytest.approx(0.5)


def test_open_charges_count_beyond_half_a_minute_of_plan() -> None:
    pacer, at = Pacer(FLAT, 60.0), DAY + 12 * HOUR_US
    width = 2400 / 24 / 60  # of 60 s of plan: 30 s are half of it
    behind = 1200 - width
    assert pacer.participation(2400, behind, at, pending=width / 2) == 1
    assert pacer.participation(2400, behind, at, pending=width) == pytest.approx(0.5)
    assert pacer.participation(2400, behind, at, pending=2 * width) == 0


def test_newer_days_count_more() -> None:
    now = DAY
    old = np.full(1000, DAY - 20 * DAY_US + 3 * HOUR_US)
    new = np.full(1000, DAY - DAY_US + 15 * HOUR_US)
    shares = forecast_traffic(np.concatenate([old, new]).astype(np.int64), now, half_life_days=7).shares
    assert sum(shares) == pytest.approx(1)
    assert shares[15] > 5 * shares[3] > 25 * shares[0] > 0


def test_without_requests_all_hours_are_equal() -> None:
    assert forecast_traffic(np.zeros(0, np.int64), DAY, 7).shares == pytest.approx(FLAT.shares)


@pytest.mark.parametrize("shares", [(1.0,), (0.0,) + (1 / 23,) * 23, (0.1,) * 24])
def test_other_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ContractError, match="24 shares above 0"):
        TrafficForecast(shares)
