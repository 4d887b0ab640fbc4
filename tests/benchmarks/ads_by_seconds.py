"""Pacing in steps of a second, all simulated days at once in NumPy: for traffic that takes hours request by request."""

import numpy as np

from components.applications.ads.market import Market
from components.applications.ads.pacing import HOURS, OPEN_CLICK_US
from components.applications.ads.simulation import Audience, SimulatedDays, Traffic
from components.times import SECOND_US


def simulate_by_seconds(market: Market, audience: Audience, traffic: Traffic, n_days: int, seed: int) -> SimulatedDays:
    """Return what `simulate` returns, for ads that pay per click and have no caps; all days at once, second by second.

    Requests of one second see the same spend, as they do on several workers. One auction is a second-price auction with
    exploration; the arrays of a step have a row for each request of the second on any day.
    """
    rng = np.random.default_rng([seed, 9])
    names, budgets = list(market.campaigns), np.array([budget for budget, _ in market.campaigns.values()])
    of_ad = np.array([names.index(ad.campaign) for ad in market.ads])
    bids, forecast = np.array([ad.bid for ad in market.ads]), np.array(market.pacer.forecast.shares)
    hours = traffic.hours(n_days, rng)
    day = np.repeat(np.arange(n_days, dtype=np.uint8), hours.sum(axis=1))
    second = np.concatenate([np.repeat(np.arange(0, 86_400, 3600, dtype=np.int32), row) for row in hours])
    second += rng.integers(0, 3600, len(day), np.int32)
    order = np.argsort(second, kind="stable")
    day, edges = day[order], np.searchsorted(second[order], np.arange(86_401))
    due = np.zeros((86_400 + 600, n_days, len(names)))  # charges by second
    open_s = OPEN_CLICK_US // SECOND_US
    expected = np.zeros((open_s, n_days, len(names)))  # charges of the newest impressions, by second
    spent, by_hour = np.zeros((n_days, len(names))), np.zeros((n_days, HOURS, len(names)))
    impressions = 0
    for now in range(86_400):
        expected[now % open_s] = 0
        fits = spent + due[now] <= budgets
        spent += due[now] * fits
        by_hour[:, now // 3600] += due[now] * fits
        who = day[edges[now] : edges[now + 1]]
        if not len(who):
            continue
        hour, n = now // 3600, len(who)
        elapsed = forecast[:hour].sum() + forecast[hour] * (now % 3600) / 3600
        width = budgets * forecast[hour] * market.pacer.horizon_s / 3600
        open_charges = np.maximum(expected.sum(axis=0) - budgets * forecast[hour] * open_s / 3600, 0)
        joins = rng.random((n, len(names))) < ((budgets * elapsed - spent - open_charges) / width)[who]
        user, slot = rng.integers(0, len(audience.targeted), n), rng.integers(0, audience.predicted.shape[2], n)
        p = audience.predicted[user, :, slot]
        value = np.where(joins[:, of_ad] & (bids * p >= market.reserve), bids * p, -1.0)
        rows = np.flatnonzero(value.max(axis=1) > 0)
        value, p = value[rows], p[rows]
        pick = np.where(rng.random(len(rows)) < market.epsilon, _random_of(value > 0, rng), value.argmax(axis=1))
        own = value[np.arange(len(rows)), pick]
        rivals = np.where((of_ad[None, :] != of_ad[pick][:, None]) & (value <= own[:, None]), value, -1).max(axis=1)
        price = np.minimum(bids[pick], np.maximum(rivals, market.reserve) / p[np.arange(len(rows)), pick])
        np.add.at(expected[now % open_s], (who[rows], of_ad[pick]), price * p[np.arange(len(rows)), pick])
        clicks = rng.random(len(rows)) < audience.truth[user[rows], pick, slot[rows]]
        when = now + 1 + np.minimum(rng.exponential(20, len(rows)), 590).astype(int)
        np.add.at(due, (when[clicks], who[rows][clicks], of_ad[pick][clicks]), price[clicks])
        impressions += len(rows)
    planned = np.broadcast_to(forecast[:, None] * budgets, by_hour.shape)
    return SimulatedDays(names, budgets.tolist(), by_hour, planned, len(day), impressions)


def _random_of(allowed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a column of each row that is allowed, drawn uniformly."""
    return np.where(allowed, rng.random(allowed.shape), -1).argmax(axis=1)
