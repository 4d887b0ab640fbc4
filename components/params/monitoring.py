"""Sections data_checks and monitor: the guardrails on the data, and when a check of the shop asks for a run."""

from typing import Annotated

from pydantic import Field

from components.params.base import Count, Positive, Section, Share

Factor = Annotated[float, Field(gt=1)]


class DataChecksParams(Section):
    """How far the newest days may be from the weeks before them; a value beyond its limit stops a release.

    Compared are the last 1, 7 and 28 days. If a change is wanted (prices in another currency, a new catalogue), raise
    the limit that the message names for one run, with `--set`.
    """

    weeks: Annotated[int, Field(ge=2)] = Field(
        default=8, description="weeks before the compared days whose median on the same weekdays is expected"
    )
    prior_events: Positive = Field(
        default=30, description="events added to both counts of a ratio, so that small counts stay near 1"
    )
    max_volume_factor: Factor = Field(
        default=2.5, description="times more or fewer events than expected in 7 or 28 days; in one day, twice this more"
    )
    max_missing_days: Count = Field(
        default=3, description="days of the last 7 that may have less than a tenth of the expected events"
    )
    max_kind_factor: Factor = Field(default=3.0, description="times more or fewer events of one kind than expected")
    max_activity_factor: Factor = Field(
        default=1.6, description="times more or fewer events per user and day (geometric mean) than expected"
    )
    max_lost_share: Share = Field(
        default=0.1, description="share of the champion's products, or of the values of one of their columns, gone"
    )
    max_null_share: Share = Field(
        default=0.15,
        description="share of the events without a value in a column, above that in the weeks before and their range",
    )
    max_repeated_share: Share = Field(
        default=0.1, description="share of events that may repeat another, above the share in the weeks before"
    )
    max_popularity_factor: Factor = Field(
        default=2.0, description="times fewer events on the items that were popular before, than in the weeks before"
    )
    max_return_factor: Factor = Field(
        default=1.75, description="times fewer returns of users to their own items or categories than before"
    )
    max_new_share: Share = Field(
        default=0.2, description="share of events on items without earlier events, above that in the weeks before"
    )
    max_price_factor: Factor = Field(default=2.5, description="times by which the median item's price may change")
    max_price_jumps: Share = Field(default=0.3, description="share of items whose price may double or halve")
    max_changed_share: Share = Field(
        default=0.2, description="share of the champion's products whose title or category may become another one"
    )


class MonitorParams(Section):
    """When `carousel monitor` asks for a refresh or a retrain."""

    max_model_age_days: Positive
    min_retrain_days: Positive
    min_refresh_hours: Positive = Field(
        default=12, description="hours between a refresh, decided or asked for, and the next that a check asks for"
    )
    min_growth: Factor = Field(
        default=1.5,
        description="times by which a column's distance must grow until a drift that a retrain answered counts again",
    )
