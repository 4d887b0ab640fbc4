"""Sections ads, inventory and marketing: what a shop does with the behaviour model besides lists."""

from typing import Annotated

from pydantic import Field

from components.params.base import Positive, Section, Share


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


class MarketingParams(ApplicationParams):
    """Segments and audiences."""
