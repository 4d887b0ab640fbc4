"""Budget pacing: spend follows the day's plan, which follows the forecast of the traffic by hour.

A campaign takes part in an auction with a probability that depends on how far its spend is behind the plan. Behind by
`horizon_s` of plan or more it always takes part; level with the plan of that moment or ahead, never. So spend stays
between the plan of now and of a moment ago wherever there is enough traffic, and the plan never exceeds the budget.
Expected charges of impressions whose outcome is still open count as spent, beyond what 30 s of plan will cover: else a
campaign takes part until the first of its clicks is charged, and then all of them come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.errors import ContractError
from components.times import DAY_US, HOUR_US, SECOND_US

HOURS = 24
OPEN_CLICK_US = 30 * SECOND_US  # in which the expected price of a click counts as spent: most clicks come by then


@dataclass(frozen=True)
class TrafficForecast:
    """The expected share of a day's requests in each hour (UTC)."""

    shares: tuple[float, ...]  # (24,), all above 0, sum 1

    def __post_init__(self) -> None:
        """Raise ContractError where these are not 24 positive shares that sum to 1."""
        if len(self.shares) != HOURS or min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise ContractError(f"traffic forecast: expected {HOURS} shares above 0 that sum to 1, got {self.shares}")
        object.__setattr__(self, "_before", tuple(np.concatenate([[0.0], np.cumsum(self.shares)]).tolist()))

    def elapsed(self, at: int) -> float:
        """Return the share of the day's traffic before a time (us), in [0, 1]."""
        hour, within = divmod(at % DAY_US, HOUR_US)
        before: tuple[float, ...] = self._before  # type: ignore[attr-defined]
        return min(1.0, before[hour] + self.shares[hour] * within / HOUR_US)


def forecast_traffic(at: NDArray[np.int64], now: int, half_life_days: float) -> TrafficForecast:
    """Return the forecast from the times (us) of earlier requests or impressions, newer days with more weight.

    Smoothed by one request per hour, so that no hour is without plan. Without requests all hours are equal.
    """
    age_days = np.maximum(now - at, 0) / DAY_US
    hours = (at % DAY_US // HOUR_US).astype(np.int64)
    counts = np.bincount(hours, weights=0.5 ** (age_days / half_life_days), minlength=HOURS) + 1.0
    shares = counts / counts.sum()
    return TrafficForecast(tuple(shares.tolist()))


@dataclass(frozen=True)
class Pacer:
    """The plan of all campaigns on any day."""

    forecast: TrafficForecast
    horizon_s: float  # seconds of plan over which participation falls from 1 to 0

    def planned(self, budget: float, at: int, start: int = 0) -> float:
        """Return what a campaign should have spent of the day's budget by a time (us); start: of the campaign (us)."""
        day = at - at % DAY_US
        begun = self.forecast.elapsed(start) if start > day else 0.0
        return budget * max(0.0, self.forecast.elapsed(at) - begun)

    def participation(self, budget: float, spent: float, at: int, start: int = 0, pending: float = 0.0) -> float:
        """Return the probability that the campaign takes part in an auction at a time (us).

        spent: today. pending: expected charges of impressions whose outcome is still open; what the plan of the seconds
        in which clicks come will cover is no reason to wait.
        """
        per_us = budget * self.forecast.shares[at % DAY_US // HOUR_US] / HOUR_US  # of the plan
        counted = spent + max(0.0, pending - per_us * OPEN_CLICK_US)
        return min(1.0, max(0.0, (self.planned(budget, at, start) - counted) / (per_us * self.horizon_s * SECOND_US)))
