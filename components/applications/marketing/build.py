"""All of marketing from a snapshot: the user table with segments, values and responses, and what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from components.applications.marketing import activity
from components.applications.marketing.campaigns import Campaigns
from components.applications.marketing.examples import (
    FEATURES,
    CampaignExamples,
    campaign_examples,
    feature_table,
)
from components.applications.marketing.expected_value import ValueModels, expect_value, fit_value_models
from components.applications.marketing.response import (
    ResponseJudgement,
    choose_kind,
    fit_response,
    judge_response,
    recency_frequency,
)
from components.applications.marketing.segments import (
    SegmentedUsers,
    SegmentSummary,
    Stability,
    measure_stability,
    segment_users,
    summarise_segments,
)
from components.applications.marketing.timing import best_times
from components.applications.marketing.uplift_judgement import Effects, UpliftJudgement, judge_uplift
from components.applications.reasons import Reason, give_reason, reason_of
from components.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection

    from components.params import MarketingParams

SCORES = ("recency", "frequency", "value")  # of segments; as columns of the user table recency_score and so on


@dataclass
class MarketingResult:
    """What the stage writes."""

    users: pd.DataFrame  # activity.user_table with all further columns, by user_id
    segmented: SegmentedUsers
    segments: list[SegmentSummary]
    stability: list[Stability]
    values: ValueModels
    campaigns: Campaigns | None
    response: ResponseJudgement | None = None
    uplift: UpliftJudgement | None = None
    reasons: list[Reason] = field(default_factory=list)  # why something is not there, or does not ship

    @property
    def response_ships(self) -> bool:
        """Return whether the response model is better than recency and frequency on a campaign that it had not seen."""
        return self.response is not None and self.response.gain.low > 0


def build_marketing(
    connection: DuckDBPyConnection,
    as_of: datetime,
    params: MarketingParams,
    seed: int,
    campaigns: Campaigns | None,
    effects: Effects | None = None,
    previous: SegmentedUsers | None = None,
) -> MarketingResult:
    """Return the user table as of a moment, with all models judged and fitted.

    campaigns: of the past; None where the shop names none. effects: the true ones of a simulation, to judge uplift by.
    previous: the segments of an earlier run. Raises ContractError where the shop has too few users for segments.
    """

    @cache  # several models ask for the same moments
    def users_at(at: datetime) -> pd.DataFrame:
        return activity.user_table(connection, at, params.time_zone)

    def tables(at: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
        return users_at(at), activity.category_counts(connection, at)

    users, mix = tables(as_of)
    segmented = segment_users(users, mix, as_of, params.clusters, seed, previous)
    table, values = _user_table(connection, users, segmented, as_of, params)
    result = MarketingResult(
        users=table,
        segmented=segmented,
        segments=summarise_segments(segmented),
        stability=[],
        values=values,
        campaigns=campaigns,
        reasons=[*values.reasons],
    )
    try:
        result.stability = measure_stability(tables, as_of, params.stability_weeks, params.clusters, seed)
    except ContractError as error:
        result.reasons += [give_reason("stability_unknown"), reason_of(error)]
    examples: list[CampaignExamples] = []
    if campaigns is not None and len(campaigns.rows):
        examples = [c for c in campaign_examples(campaigns.rows, users_at, params.response_days) if c.known <= as_of]
    _add_response(result, examples, as_of, params, seed)
    _add_uplift(result, examples, effects, as_of, params, seed)
    return result


def _user_table(
    connection: DuckDBPyConnection,
    users: pd.DataFrame,
    segmented: SegmentedUsers,
    as_of: datetime,
    params: MarketingParams,
) -> tuple[pd.DataFrame, ValueModels]:
    """Return the users with segments, scores, values and times, and the models of value."""
    order_values = activity.order_values(connection, as_of)
    values = fit_value_models(users, order_values)
    table = users.merge(segmented.members.drop(columns="cluster"), on="user_id", suffixes=("", "_score"))
    table = table.rename(columns={name: f"{name}_score" for name in SCORES if f"{name}_score" not in table.columns})
    table[["probability_active", "expected_orders", "expected_value"]] = expect_value(
        values, users, order_values, params.horizon_days
    )
    times = best_times(users["user_id"].tolist(), activity.hour_counts(connection, as_of, params.time_zone))
    table[["slot", "hour"]] = times[["slot", "hour"]]
    return table, values


def _add_response(
    result: MarketingResult, examples: list[CampaignExamples], as_of: datetime, params: MarketingParams, seed: int
) -> None:
    """Judge the response model, and add the column that users are ordered by: the model's or the baseline's."""
    users = result.users
    order = recency_frequency(users["recency_days"].to_numpy(np.float64), users["orders"].to_numpy(np.float64))
    users["expected_response"] = np.nan
    users["response_rank"] = _rank(order)
    if not examples:
        result.reasons.append(give_reason("response_no_campaign"))
        return
    judged = _judged_campaign(examples)
    try:
        _, result.response = judge_response(examples, judged, params.confidence, params.resamples, seed)
        if not result.response_ships:
            gain = result.response.gain
            numbers = {name: f"{getattr(gain, name):+.4f}" for name in ("gain", "low", "high")}
            campaign = result.response.campaign
            result.reasons.append(give_reason("response_baseline", campaign=campaign, **numbers))
            return
        model = fit_response(examples, choose_kind(examples, seed), seed)
    except ContractError as error:
        result.reasons += [reason_of(error), give_reason("response_order")]
        return
    users["expected_response"] = model.predict(_features(result, as_of, params))
    users["response_rank"] = _rank(users["expected_response"].to_numpy(np.float64))


def _add_uplift(
    result: MarketingResult,
    examples: list[CampaignExamples],
    effects: Effects | None,
    as_of: datetime,
    params: MarketingParams,
    seed: int,
) -> None:
    """Judge the uplift models; add the expected effect of each user where it is shown to order them."""
    result.users["uplift"] = np.nan
    if not examples:
        return
    try:
        model, result.uplift = judge_uplift(examples, effects, params.confidence, params.resamples, seed)
    except ContractError as error:
        result.reasons.append(reason_of(error))
        return
    if not result.uplift.ships:
        result.reasons.append(give_reason("uplift_not_shown"))
        return
    result.users["uplift"] = model.predict(_features(result, as_of, params))[0]


def _judged_campaign(examples: list[CampaignExamples]) -> int:
    """Return the campaign that judges: of the last third, the one with most responses, the later one of equals."""
    first = len(examples) - max(1, len(examples) // 3)
    responses = [int(c.responded[c.treated].sum()) for c in examples[first:]]
    return first + max(range(len(responses)), key=lambda n: (responses[n], n))


def _features(result: MarketingResult, as_of: datetime, params: MarketingParams) -> np.ndarray:
    assert result.campaigns is not None
    users = result.users
    table = feature_table(users["user_id"].tolist(), users, result.campaigns.rows, as_of, params.response_days)
    return activity.to_log(table, list(FEATURES))


def _rank(values: np.ndarray) -> np.ndarray:
    """Return (n,) the share of the users with a lower value, those of the same counting half, in (0, 1)."""
    from scipy.stats import rankdata

    return np.asarray((rankdata(values) - 0.5) / max(len(values), 1))
