"""Sections ads, inventory and marketing: what a shop does with the behaviour model besides lists."""

import math
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from components.params.base import Count, Positive, Section, Share, Size
from components.params.data import SourceParams

Days = Annotated[float, Field(ge=0, le=365)]


def check_time_zone(name: str) -> str:
    """Return the name of a time zone; raises ValueError where there is none of it."""
    if name not in available_timezones():
        raise ValueError(f"expected an IANA time zone such as Europe/London, got {name!r}")
    return name


TimeZone = Annotated[str, AfterValidator(check_time_zone)]


class ApplicationParams(Section):
    """What every application has."""

    enabled: bool


class AdsParams(ApplicationParams):
    """Choice of advertisements."""

    source: str | None
    reserve: Annotated[float, Field(ge=0)]
    exploration: Share
    columns: dict[str, str] = Field(
        default={}, description="our column of the table of ads -> the file's column, where they differ"
    )
    log: str | None = Field(
        default=None,
        description="log of earlier choices, from `carousel ads --log` or another ad server; policies are judged on it",
    )
    segments: str | None = Field(
        default=None, description="table of user_id and segment that targeting may name, beside interest tags"
    )
    min_tag_share: Share = Field(
        default=0.1, description="share of a user's interest from which a category is an interest tag"
    )
    pacing_horizon_s: Positive = Field(
        default=30, description="seconds of plan a campaign must be behind to take part in every auction"
    )
    traffic_half_life_days: Positive = Field(
        default=7, description="days after which past traffic counts half in the forecast of the day's hours"
    )
    outcome_hours: Positive = Field(
        default=24, description="hours after an impression within which its click or purchase is charged"
    )


class InventoryParams(ApplicationParams):
    """Forecast of demand, and what to order."""

    period: Literal["day", "week"]
    lead_time_days: Days
    review_days: Annotated[float, Field(gt=0, le=90)]
    service_level: Annotated[float, Field(gt=0, lt=1)] | None
    stockout_cost_ratio: Positive
    holding_cost: Annotated[float, Field(ge=0)]
    min_sales: Count
    stock_file: Path | None
    return_days: Size = Field(
        default=7, description="days within which a return cancels its purchase; later returns leave demand as it was"
    )
    test_origins: Count = Field(default=4, description="origins of the back-test, one horizon apart")
    calibration_origins: Count = Field(default=3, description="origins before those, for quantiles of the first ones")
    new_product_days: Positive = Field(
        default=28, description="days since a product came, within which its text neighbours forecast it"
    )
    trees: Count = Field(default=150, description="trees of each of the demand model's two parts")
    max_training_rows: Count = Field(default=120_000, description="rows that the demand model learns from")

    @property
    def period_days(self) -> int:
        """Return the length of a period, 1 or 7."""
        return 1 if self.period == "day" else 7

    @property
    def protection_periods(self) -> int:
        """Return the periods that stock has to last for: lead time and review, rounded up."""
        return math.ceil((self.lead_time_days + self.review_days) / self.period_days - 1e-9)

    @property
    def horizon(self) -> int:
        """Return how many periods ahead is forecast: 4 weeks or 14 days, or the protection time where it is longer."""
        return max(4 if self.period == "week" else 14, self.protection_periods)


class MarketingParams(ApplicationParams):
    """Segments and audiences."""

    campaigns: list[SourceParams]
    response_days: Positive
    holdout_share: Share
    clusters: Annotated[int, Field(ge=2, le=20)]
    horizon_days: Positive
    time_zone: TimeZone
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        default=0.95, description="level of the intervals by which a model must be better than its baseline"
    )
    resamples: Count = Field(default=1000, description="resamples of the users for an interval")
    stability_weeks: Size = Field(
        default=4, description="weeks over which the report compares each week's segments with the last one's"
    )
