"""Builds what is published: calibration with its gate, the traffic forecast, policy values, and a replay of pacing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from components.applications.ads.calibration import Numbers, SlotCalibration, fit_base_rates, fit_slots
from components.applications.ads.log_file import AdLog
from components.applications.ads.pacing import TrafficForecast
from components.applications.ads.policy_value import PolicyValue, compare_policies
from components.applications.ads.published import EVENTS, AdRules, PublishedAds
from components.applications.ads.reliability import Bin, CalibrationVerdict, SlotImpressions, judge, reliability
from components.applications.ads.simulation import Audience, SimulatedDays, Traffic, simulate
from components.applications.ads.targeting import Labels
from components.contracts import FloatArray
from components.params import AdsParams

FIT_SHARE = 0.5  # of the impressions, the older ones: calibrations are fitted on them, and judged on the rest
MIN_LOG_POSITIVES = 200  # events in the log of ads from which calibrations are fitted on it, not on the shop's lists
REPLAY_DAYS, REPLAY_REQUESTS, REPLAY_USERS, REPLAY_SLOTS = 3, 8_000, 300, 3  # requests: a day


@dataclass(frozen=True)
class Calibrated:
    """The probabilities of one event that ship, and how they were judged."""

    ships: SlotCalibration
    base_rates: SlotCalibration
    verdict: CalibrationVerdict
    bins: list[Bin]  # of what ships, on the later impressions
    source: str  # what it was fitted on


@dataclass(frozen=True)
class Predicted:
    """The ranker's probabilities of users on ads; row 0 is a user whom it does not know."""

    row: Mapping[str, int]  # user_id -> row
    by_event: Mapping[str, FloatArray]  # event -> (n_users + 1, n_ads), NaN for an ad that the ranker does not know

    def rows_of(self, user_ids: Iterable[str | None]) -> NDArray[np.int64]:
        """Return the row of each user."""
        return np.array([self.row.get(user_id or "", 0) for user_id in user_ids], np.int64)


@dataclass
class AdsResult:
    """What the stage writes and reports."""

    published: PublishedAds
    calibrated: dict[str, Calibrated]
    policies: dict[str, PolicyValue] = field(default_factory=dict)
    log_counts: dict[str, int] = field(default_factory=dict)
    replay: SimulatedDays | None = None


def calibrate(event: str, impressions: SlotImpressions, source: str, seed: int) -> Calibrated:
    """Return the calibration fitted on the older impressions; base rates where it does not pass on the later ones."""
    cut = round(len(impressions) * FIT_SHARE)
    older, later = impressions.take(slice(None, cut)), impressions.take(slice(cut, None))
    base_rates = fit_base_rates(older.slot, older.outcome)
    ours = fit_slots(older.predicted, older.slot, older.outcome, older.user, seed)
    verdict = judge(event, later, ours, base_rates, seed)
    ships = ours if verdict.ships else base_rates
    bins = reliability(ships.apply(later.predicted, later.slot), later.outcome)
    return Calibrated(ships, base_rates, verdict, bins, source)


def log_impressions(event: str, log: AdLog, number: Mapping[str, int], predicted: Predicted) -> SlotImpressions | None:
    """Return the log's impressions that the ranker can predict, in the order of time; None where they are too few.

    number: ad_id -> column of `predicted`.
    """
    ad = np.array([number[row["ad_id"]] for row in log.rows], np.int64)
    user = predicted.rows_of(row["user_id"] for row in log.rows)
    score, outcome = predicted.by_event[event][user, ad], log.outcomes(event)
    rows = np.flatnonzero(np.isfinite(score))
    if min(outcome[rows].sum(), len(rows) - outcome[rows].sum()) < MIN_LOG_POSITIVES:
        return None
    _, cluster = np.unique(log.users(), return_inverse=True)
    return SlotImpressions(score[rows], log.slots()[rows], outcome[rows], cluster[rows])


def make_rules(params: AdsParams, forecast: TrafficForecast, calibrated: Mapping[str, Calibrated]) -> AdRules:
    """Return the numbers of the auction."""
    return AdRules(
        reserve=params.reserve,
        exploration=params.exploration,
        horizon_s=params.pacing_horizon_s,
        min_tag_share=params.min_tag_share,
        outcome_hours=params.outcome_hours,
        traffic=list(forecast.shares),
        probabilities={event: found.ships for event, found in calibrated.items()},
        base_rates={event: found.base_rates for event, found in calibrated.items()},
    )


def value_policies(log: AdLog, published: PublishedAds, predicted: Predicted) -> dict[str, PolicyValue]:
    """Return the values of our policy and of others on the newer part of the log, which no calibration saw."""
    ads, cut = published.ads, round(len(log.rows) * FIT_SHARE)
    later, earlier = replace(log, rows=log.rows[cut:]), replace(log, rows=log.rows[:cut])
    number = {ad.ad_id: n for n, ad in enumerate(ads)}
    bids, types = np.array([ad.bid for ad in ads]), [ad.bid_type for ad in ads]
    choices = later.to_choices(number, bids.tolist(), types)
    user = predicted.rows_of(row["user_id"] for row in later.rows)[choices.row]
    slot = choices.slot[choices.row] + 1
    probability = np.empty(len(choices.ad))
    for event in EVENTS:
        rows = np.flatnonzero(np.array(types)[choices.ad] == event)
        scores = predicted.by_event[event][user[rows], choices.ad[rows]]
        probability[rows] = published.in_slots(event, scores, slot[rows])
    rates = _ad_rates(earlier, number, types)
    expected, popularity = bids[choices.ad] * probability, bids[choices.ad] * rates[choices.ad]
    return compare_policies(choices, expected, popularity, published.rules.exploration)


def _ad_rates(log: AdLog, number: Mapping[str, int], types: Sequence[str]) -> Numbers:
    """Return (n_ads,) the share of impressions with the event that the ad pays for, smoothed by the mean of all ads."""
    ad = np.array([number[row["ad_id"]] for row in log.rows], np.int64)
    outcome = np.where(np.array(types)[ad] == "click", log.outcomes("click"), log.outcomes("purchase"))
    overall = (outcome.sum() + 0.5) / (len(ad) + 1)
    events, shown = np.bincount(ad, outcome, len(types)), np.bincount(ad, minlength=len(types))
    return np.asarray((events + 1) / (shown + 1 / overall))


def replay(
    published: PublishedAds, predicted: Predicted, labels: Sequence[Labels], day: int, seed: int
) -> SimulatedDays:
    """Return REPLAY_DAYS days from `day` (since 1970) on, with outcomes drawn from the published probabilities.

    labels: of each row of `predicted`; the first REPLAY_USERS of them make REPLAY_REQUESTS requests a day.
    """
    ads, market = published.ads, published.market
    slots = (sorted(published.rules.base_rates["click"].slots) or [1])[:REPLAY_SLOTS]
    p = np.array([
        published.probabilities(ads, {event: values[row] for event, values in predicted.by_event.items()}, slots)
        for row in range(min(len(labels), REPLAY_USERS))
    ])  # fmt: skip
    audience = Audience([market.targeted(labels[row]) for row in range(len(p))], p, p)
    traffic = Traffic(REPLAY_REQUESTS, published.rules.traffic, 0.1)
    return simulate(market, audience, traffic, day, REPLAY_DAYS, seed)
