"""Sections evaluation, drift, gate, refresh, release and flows: metrics, limits and rules of promotion."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from components.params.base import Count, ModelName, Positive, Section, Share, Size
from components.records import Question


class EvaluationParams(Section):
    """Metrics, the models that are compared, and slices of users."""

    primary: Annotated[str, Field(pattern=r"^(ndcg|recall|mrr|hit_rate)_at_\d+$")]
    ks: Annotated[list[Count], Field(min_length=1)]
    candidates: Annotated[list[ModelName], Field(min_length=1)]
    baselines: list[ModelName] = Field(
        default=[], description="models that the challenger must not be worse than; none named: all simple models"
    )
    min_slice_users: Count
    cold_user_events: Count
    next_events: Size = Field(
        default=2000,
        description="target events of a window, at most, for which lists are made anew from the history by then",
    )

    @model_validator(mode="after")
    def primary_is_reported(self) -> "EvaluationParams":
        """Require the primary metric's k among ks, and a baseline that is not the challenger itself."""
        if int(self.primary.rsplit("_", 1)[1]) not in self.ks:
            raise ValueError(f"evaluation.primary {self.primary} needs its k among evaluation.ks {self.ks}")
        if len(set(self.baselines)) == 1 and self.baselines[0] in self.candidates:
            raise ValueError(
                f"evaluation.baselines: {self.baselines[0]} is a candidate and would be its own baseline; name a "
                "second one, or none for all simple models"
            )
        return self


class DriftParams(Section):
    """Limits of the drift verdict."""

    window_days: Positive
    sample: Annotated[int, Field(ge=100)] = Field(default=20_000, description="events sampled per window; bounds time")
    max_distance: Positive
    max_prediction_distance: Positive = Field(
        default=0.1,
        description="between the mean vectors of the champion's lists now and in its reference window; more is drift",
    )
    max_drifted_share: Share
    max_age_hours: Positive
    min_volume_ratio: Share = Field(
        default=0.5, description="events per day relative to the reference; outside [this, 1 / this] is an alarm"
    )


class GateParams(Section):
    """Rules of promotion."""

    mode: Literal["enabled", "dry_run", "disabled"]
    primary: Question = Field(
        default="global_time",
        description="question about time that decides: histories frozen where the window begins, or next_event: lists "
        "made anew before each target event",
    )
    min_gain: Annotated[float, Field(ge=0)]
    promotion_confidence: Annotated[float, Field(gt=0.5, lt=1)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.95, description="level of all other intervals, two-sided: guardrails, refreshes, tuning, history"
    )
    resamples: Annotated[int, Field(ge=100)] = Field(default=2000, description="bootstrap resamples of the test users")
    min_users: Count
    max_slice_loss: Share
    min_coverage_ratio: Share = Field(
        default=0.5, description="catalogue coverage at the largest k, relative to the champion's"
    )
    min_coverage: Share
    max_latency_ms: Positive
    max_pushed_exposure: Share = Field(
        default=0.02,
        description="share of the lists that a product of suspect buyers may fill, or twice the champion's",
    )


class RefreshParams(Section):
    """`carousel refresh`: the holdout, and when the refreshed model does not ship."""

    min_users: Count
    max_holdout_days: Count
    margin: Share
    learn_holdout: bool = Field(
        default=True,
        description="after the verdict, models that are fitted in one step learn the holdout, too, before they ship",
    )
    max_total_loss: Share = Field(
        default=0.03, description="as margin, for the sum of all refreshes since the last retrain"
    )
    max_possible_loss: Share = Field(
        default=0.5,
        description="share of the champion's metric; a loss of this size must be excluded, or would have to be shown",
    )
    max_level_drop: Share = Field(
        default=0.5, description="share of its metric at its own refresh that the champion may lose in the holdout"
    )
    max_level_age_days: Count = Field(
        default=14, description="days after the champion's own refresh in which its metric is compared with that at it"
    )
    min_overlap: Share = Field(default=0.3, description="mean share of a list that is in the champion's list, too")
    max_concentration_ratio: Annotated[float, Field(ge=1)] = Field(
        default=1.25, description="share of the positions of the 1 % most listed products, relative to the champion's"
    )
    max_scale_ratio: Annotated[float, Field(ge=1)] = Field(
        default=5.0, description="factor between the scores of the refreshed model and of the champion"
    )
    not_before: AwareDatetime | None = Field(
        default=None, description="earliest start of the holdout; `carousel refresh` sets it to the champion's end"
    )


class HistoryParams(Section):
    """The record of what served, and when it raises an alarm."""

    alarm_days: Annotated[int, Field(ge=2)]
    max_loss: Share = Field(
        default=0.1, description="share of the expected metric that a season may take without an alarm"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.99, description="one-sided level at which an alarm must be shown; lower: earlier and more often false"
    )
    max_users: Annotated[int, Field(ge=10)] = Field(
        default=2000, description="users of a day that are measured, evenly spread; bounds time"
    )
    max_days: Count = Field(default=92, description="days before as_of that a run catches up on, at most")


class ReleaseParams(Section):
    """Names in the registry, and what a bundle holds."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    include_encoder: bool


class GcParams(Section):
    """What `carousel gc` leaves."""

    keep_versions: Count
    keep_days: Positive
    exposure_days: Positive = Field(default=400, description="days; older files of the exposure log are removed")
    audit_days: Positive = Field(default=400, description="days; older lines of the audit log are removed")
    workspaces: Count = Field(default=1, description="newest workspaces of deployed runs that stay, for inspection")
    embedding_caches: Count = Field(
        default=3, description="caches of text vectors that stay, one per language model, those used last"
    )
    log_mib: Positive = Field(default=10, description="MiB of a log file above which its older half is removed")


class FlowsParams(Section):
    """Limits on the task of each stage."""

    stage_timeout_s: Positive
    retries: Size = Field(default=1, description="retries of a stage after a transient fault")
    retry_delay_s: Annotated[float, Field(ge=0)] = Field(default=5, description="seconds before a retry")
