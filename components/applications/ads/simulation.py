"""Days of ad requests against known click and purchase probabilities: the code of the service, one request at a time.

Outcomes arrive later than impressions, as they do in a shop; a charge that does not fit the day's budget is not made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

import numpy as np
from numpy.typing import NDArray

from components.applications.ads.auction import Award
from components.applications.ads.campaigns import Ad
from components.applications.ads.market import Market, MarketState
from components.applications.ads.pacing import HOURS, OPEN_CLICK_US
from components.applications.ads.policy_value import ChoiceLog
from components.times import DAY_US, HOUR_US, SECOND_US

CLICK_DELAY_S, PURCHASE_DELAY_S = 20.0, 300.0  # means of exponential times after the impression
NOISE_BLOCK = 1 << 16  # uniform numbers drawn at once


@dataclass(frozen=True)
class Audience:
    """Users with their targeted ads, and probabilities of the event that each ad pays for."""

    targeted: Sequence[Sequence[int]]  # ads of each user
    predicted: NDArray[np.float64]  # (n_users, n_ads, n_slots) as the shop predicts
    truth: NDArray[np.float64]  # the same as nature has it

    def by_slot(self) -> list[list[list[list[float]]]]:
        """Return, for each slot and user, the predictions of the user's targeted ads for that slot alone."""
        return [
            [values[list(ads), None].tolist() for ads, values in zip(self.targeted, of_slot, strict=True)]
            for of_slot in np.moveaxis(self.predicted, 2, 0)
        ]


@dataclass(frozen=True)
class Traffic:
    """Requests: how many, when, and for which slots."""

    per_day: int
    shares: Sequence[float]  # (24,) of a day, by hour
    noise: float  # standard deviation of the logarithm of each hour's requests

    def hours(self, n_days: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return (n_days, 24) numbers of requests."""
        factor = np.exp(rng.normal(-(self.noise**2) / 2, self.noise, (n_days, HOURS)))
        return rng.poisson(self.per_day * np.array(self.shares) * factor)


@dataclass
class SimulatedDays:
    """What happened. Money by day, hour and campaign."""

    campaigns: list[str]
    budgets: list[float]
    spent: NDArray[np.float64]  # (n_days, 24, n_campaigns)
    planned: NDArray[np.float64]
    requests: int = 0
    impressions: int = 0
    unbilled: int = 0  # events that did not fit the budget
    largest_price: float = 0.0  # that was charged
    log: ChoiceLog | None = None

    def hour_gap(self) -> NDArray[np.float64]:
        """Return (n_days, 24, n_campaigns) |spent - planned| / planned of each hour."""
        gap: NDArray[np.float64] = np.abs(self.spent / self.planned - 1)
        return gap

    def total_gap(self) -> NDArray[np.float64]:
        """Return (n_days, 24, n_campaigns) |spent - planned| since midnight, as a share of the day's budget."""
        gap: NDArray[np.float64] = np.abs(np.cumsum(self.spent - self.planned, axis=1)) / np.array(self.budgets)
        return gap

    def used(self) -> NDArray[np.float64]:
        """Return (n_days, n_campaigns) spend of a day as a share of its budget."""
        return np.asarray(self.spent.sum(axis=1) / np.array(self.budgets))


@dataclass
class _OpenCharges:
    """Expected charges of impressions whose outcome may still come, by campaign."""

    window_us: int  # in which an impression's outcome is expected
    expected: deque[tuple[int, str, float]] = field(default_factory=deque)  # in the order of time; charges are negative
    open: dict[str, float] = field(default_factory=dict)

    def add(self, at: int, campaign: str, amount: float) -> None:
        """Count an expected charge as open, or a charge as closed."""
        self.expected.append((at, campaign, amount))
        self.open[campaign] = self.open.get(campaign, 0.0) + amount

    def close(self, at: int) -> None:
        """Leave out what is older than the window."""
        while self.expected and self.expected[0][0] <= at - self.window_us:
            _, campaign, amount = self.expected.popleft()
            self.open[campaign] -= amount


@dataclass
class _Books:
    """Spend of today, open expectations, impressions within caps, and outcomes that are still to come."""

    purchases: _OpenCharges  # of which the expected price counts as spent, for an hour
    clicks: _OpenCharges  # and for seconds
    spent: dict[str, float] = field(default_factory=dict)
    shown: dict[int, dict[str, deque[int]]] = field(default_factory=dict)  # user -> ad_id -> ends of cap windows
    coming: list[tuple[int, int, Ad, float]] = field(default_factory=list)  # heap of (us, number, ad, price)
    unbilled: int = 0

    def settle(self, at: int) -> Iterator[tuple[int, str, float]]:
        """Charge the outcomes up to a time (us); yield the time, campaign and price of each charge."""
        while self.coming and self.coming[0][0] <= at:
            when, _, ad, price = heappop(self.coming)
            if self.spent.get(ad.campaign, 0.0) + price > ad.daily_budget:
                self.unbilled += 1
                continue
            self.spent[ad.campaign] = self.spent.get(ad.campaign, 0.0) + price
            if ad.bid_type == "purchase":
                self.purchases.add(when, ad.campaign, -price)
            yield when, ad.campaign, price
        self.purchases.close(at)
        self.clicks.close(at)

    def state(self, user: int, at: int) -> MarketState:
        """Return the state as the auction of a request sees it."""
        shown = {}
        for ad_id, ends in self.shown.get(user, {}).items():
            while ends and ends[0] <= at:
                ends.popleft()
            shown[ad_id] = len(ends)
        pending = {
            name: max(0.0, self.purchases.open.get(name, 0.0)) + max(0.0, self.clicks.open.get(name, 0.0))
            for name in {*self.purchases.open, *self.clicks.open}
        }
        return MarketState(at, self.spent, pending, shown)

    def show(self, user: int, at: int, ad: Ad, award: Award) -> None:
        """Record an impression."""
        if ad.cap:
            ends = self.shown.setdefault(user, {}).setdefault(ad.ad_id, deque())
            ends.append(at + round(ad.cap_hours * HOUR_US))
        charges = self.purchases if ad.bid_type == "purchase" else self.clicks
        charges.add(at, ad.campaign, award.probability * award.price)


@dataclass
class _Log:
    """Choices as they are made."""

    sizes: list[int] = field(default_factory=list)
    ad: list[int] = field(default_factory=list)
    logged: list[float] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    user: list[int] = field(default_factory=list)
    slot: list[int] = field(default_factory=list)

    def add(self, user: int, slot: int, award: Award, reward: float) -> None:
        self.chosen.append(len(self.ad) + list(award.propensities).index(award.ad))
        self.ad += award.propensities.keys()
        self.logged += award.propensities.values()
        self.sizes.append(len(award.propensities))
        self.reward.append(reward)
        self.user.append(user)
        self.slot.append(slot)

    def to_choices(self) -> ChoiceLog:
        return ChoiceLog(
            offsets=np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64),
            ad=np.array(self.ad, np.int64),
            logged=np.array(self.logged),
            chosen=np.array(self.chosen, np.int64),
            reward=np.array(self.reward),
            user=np.array(self.user, np.int64),
            slot=np.array(self.slot, np.int64),
        )


def simulate(
    market: Market,
    audience: Audience,
    traffic: Traffic,
    first_day: int,
    n_days: int,
    seed: int,
    keeps_log: bool = False,
) -> SimulatedDays:
    """Return n_days of requests from first_day (days since 1970) on, each for one slot drawn uniformly.

    keeps_log: keep all choices with their propensities and rewards; some hundred bytes each.
    """
    rng = np.random.default_rng([seed, 7])
    run = _Run(market, audience, first_day, n_days, rng)
    for day, requests in enumerate(traffic.hours(n_days, rng), start=first_day):
        run.start_day(day)
        n_users, n_slots = len(audience.targeted), audience.predicted.shape[2]
        for at, user, slot in _requests(requests, day, n_users, n_slots, rng):
            run.answer(at, user, slot, keeps_log)
    run.start_day(first_day + n_days)
    run.days.unbilled = run.books.unbilled
    run.days.log = run.log.to_choices() if keeps_log else None
    return run.days


class _Run:
    """The market, its books, and what has happened so far."""

    def __init__(
        self, market: Market, audience: Audience, first_day: int, n_days: int, rng: np.random.Generator
    ) -> None:
        self.market, self.audience, self.first_day = market, audience, first_day
        self.books = _Books(_OpenCharges(HOUR_US), _OpenCharges(OPEN_CLICK_US))
        self.draw, self.log, self.number = _draws(rng), _Log(), count()
        self.campaigns = {name: n for n, name in enumerate(market.campaigns)}
        self.predicted = audience.by_slot()
        self.days = SimulatedDays(
            campaigns=list(self.campaigns),
            budgets=[budget for budget, _ in market.campaigns.values()],
            spent=np.zeros((n_days, HOURS, len(self.campaigns))),
            planned=_plan(market, n_days),
        )

    def start_day(self, day: int) -> None:
        """Charge what is left of the day before, and begin with new budgets."""
        self.settle(day * DAY_US - 1)
        self.books.spent.clear()

    def settle(self, until: int) -> None:
        """Charge the outcomes up to a time (us)."""
        for when, campaign, price in self.books.settle(until):
            day, hour = when // DAY_US - self.first_day, when % DAY_US // HOUR_US
            self.days.spent[day, hour, self.campaigns[campaign]] += price
            self.days.largest_price = max(self.days.largest_price, price)

    def answer(self, at: int, user: int, slot: int, keeps_log: bool) -> None:
        """Choose an ad for a request, show it, and draw what follows."""
        self.settle(at)
        state = self.books.state(user, at)
        probabilities = self.predicted[slot][user]
        self.days.requests += 1
        for award in self.market.choose(self.audience.targeted[user], probabilities, state, self.draw):
            ad = self.market.ads[award.ad]
            self.books.show(user, at, ad, award)
            happens = self.draw() < self.audience.truth[user, award.ad, slot]
            if happens:
                delay = CLICK_DELAY_S if ad.bid_type == "click" else PURCHASE_DELAY_S
                when = at + round(-np.log1p(-self.draw()) * delay * SECOND_US)
                heappush(self.books.coming, (when, next(self.number), ad, award.price))
            self.days.impressions += 1
            if keeps_log:
                self.log.add(user, slot, award, ad.bid * happens)


def _draws(rng: np.random.Generator) -> Callable[[], float]:
    """Return a function that gives the generator's next uniform number."""

    def numbers() -> Iterator[float]:
        while True:
            yield from rng.random(NOISE_BLOCK).tolist()

    return numbers().__next__


def _requests(
    counts: NDArray[np.int64], day: int, n_users: int, n_slots: int, rng: np.random.Generator
) -> Iterator[tuple[int, int, int]]:
    """Yield (us, user, slot) of a day's requests in the order of time. counts: (24,)."""
    n = int(counts.sum())
    hour = np.repeat(np.arange(HOURS), counts)
    at = np.sort(day * DAY_US + hour * HOUR_US + rng.integers(0, HOUR_US, n))
    user, slot = rng.integers(0, n_users, n), rng.integers(0, n_slots, n)
    yield from zip(at.tolist(), user.tolist(), slot.tolist(), strict=True)


def _plan(market: Market, n_days: int) -> NDArray[np.float64]:
    """Return (n_days, 24, n_campaigns) money that the plan gives each hour."""
    budgets = [budget for budget, _ in market.campaigns.values()]
    day = np.array(market.pacer.forecast.shares)[:, None] * np.array(budgets)
    return np.broadcast_to(day, (n_days, *day.shape)).copy()
