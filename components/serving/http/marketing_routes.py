"""Routes `/audiences`: the segments that `carousel marketing` published, and audiences by expression or likeness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Self, TypeVar

from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.applications.marketing.audience import AudienceRequest, TargetAudience, make_audience
from components.applications.marketing.expression import MAX_LENGTH, user_fields
from components.applications.marketing.published import PublishedMarketing, read_published
from components.applications.marketing.response import ResponseJudgement, expect_response
from components.applications.marketing.segments import SegmentSummary
from components.applications.marketing.user_columns import MEANINGS
from components.errors import ContractError
from components.rule_language import RuleError
from components.serving.field_types import Id
from components.serving.http.problems import ERRORS_404, ProblemError
from components.serving.inference.service import RecommendationService
from components.serving.models.published import PublishedApplication

PREVIEW = "preview"  # the campaign of a request that names none
MAX_LIKE, MAX_SAMPLE, DEFAULT_SAMPLE = 10_000, 100, 10
NOT_PUBLISHED = "no audiences are published; set marketing.enabled=true, or run `carousel marketing`"
SampleSize = Annotated[int, Query(ge=0, le=MAX_SAMPLE, description="members that the answer names, best first")]
T = TypeVar("T")


class SegmentsAnswer(BaseModel):
    """The segments of all users, of both kinds."""

    as_of: str
    segments: list[SegmentSummary]
    fields: dict[str, str] = Field(description="user columns that an expression may name, with their meaning")
    holdout_share: float = Field(description="of an audience, not addressed")
    expected_response: float | None = Field(description="mean over all users, as in POST /audiences")
    response: ResponseJudgement | None = Field(description="the response model on a campaign that it had not seen")


class AudienceBody(BaseModel):
    """Whom to address: an expression over user columns, users to be like, or both."""

    model_config = ConfigDict(extra="forbid")

    expression: str | None = Field(
        default=None, max_length=MAX_LENGTH, description="over user columns, as in docs/marketing.md"
    )
    like: list[Id] | None = Field(default=None, max_length=MAX_LIKE, description="users whom the audience resembles")
    limit: int | None = Field(
        default=None, ge=1, description="size at most, the best; null: all, or a tenth by likeness"
    )
    campaign: str | None = Field(default=None, max_length=200, description="names the holdout group")
    sample: int = Field(default=DEFAULT_SAMPLE, ge=0, le=MAX_SAMPLE, description="members that the answer names")

    @model_validator(mode="after")
    def asks_for_something(self) -> Self:
        """Require an expression or users to be like."""
        if self.expression is None and self.like is None:
            raise ValueError("expected `expression`, `like` or both")
        return self


class MemberAnswer(BaseModel):
    """A member of an audience."""

    user_id: str
    segment: str
    behaviour: str
    slot: str = Field(description="days and part of the day in which the user visits most")
    hour: int = Field(description="hour of the day, in marketing.time_zone")
    response_rank: float = Field(description="share of the users whose expected response is lower")


class AudienceAnswer(BaseModel):
    """An audience: how many users it has, and the first of them."""

    as_of: str
    n_users: int = Field(description="users to address")
    n_held_out: int = Field(description="further users, who are not addressed, so that the effect can be measured")
    n_unknown: int = Field(description="given users who have no event")
    expected_response: float | None = Field(
        description="mean over those to address: of the response model where it ships, else of the response rates that "
        "the judged campaign had by recency and frequency; null where no campaign is judged"
    )
    sample: list[MemberAnswer]


def add_audiences(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes."""
    published = PublishedApplication(service.watcher.folder.parent, "marketing", read_published)

    async def answer(make: Callable[[PublishedMarketing], T]) -> T:
        return await service.workers.run_in_worker(lambda: make(_require(published())))

    @app.get("/audiences", tags=["Applications"], responses=ERRORS_404)
    async def audiences() -> SegmentsAnswer:
        """Return the segments of all users, with sizes and descriptions."""
        return await answer(_describe)

    @app.post("/audiences", tags=["Applications"], responses=ERRORS_404)
    async def audience(body: AudienceBody) -> AudienceAnswer:
        """Return the size of an audience by expression or likeness, and some of its members."""
        request = AudienceRequest(body.campaign or PREVIEW, body.expression, body.like, limit=body.limit)
        return await answer(lambda found: _make(found, request, body.sample))

    @app.get("/audiences/{segment:path}", tags=["Applications"], responses=ERRORS_404)
    async def audience_of_segment(segment: str, sample: SampleSize = DEFAULT_SAMPLE) -> AudienceAnswer:
        """Return the size of a segment, and some of its users."""
        request = AudienceRequest(PREVIEW, segment=segment)
        return await answer(lambda found: _make(found, request, sample, status=404))


def _require(found: PublishedMarketing | None) -> PublishedMarketing:
    if found is None:
        raise ProblemError(404, NOT_PUBLISHED)
    return found


def _describe(found: PublishedMarketing) -> SegmentsAnswer:
    fields, summary = user_fields(found.users), found.summary
    return SegmentsAnswer(
        as_of=summary.as_of,
        segments=summary.segments,
        fields={name: MEANINGS[name] for name in (*fields.texts, *fields.numbers) if name in MEANINGS},
        holdout_share=summary.holdout_share,
        expected_response=expect_response(found.users, summary.response),
        response=summary.response,
    )


def _make(found: PublishedMarketing, request: AudienceRequest, sample: int, status: int = 422) -> AudienceAnswer:
    """Return the answer; raises ProblemError for an expression, segment or users that give no audience."""
    try:
        made: TargetAudience = make_audience(found.users, request, found.summary.holdout_share)
    except RuleError as error:
        raise ProblemError(422, f"expression: {error}") from None
    except ContractError as error:
        raise ProblemError(status, str(error)) from None
    fields = list(MemberAnswer.model_fields)
    return AudienceAnswer(
        as_of=found.summary.as_of,
        n_users=len(made.members),
        n_held_out=len(made.held_out),
        n_unknown=made.n_unknown,
        expected_response=expect_response(made.members, found.summary.response),
        sample=[MemberAnswer(**row) for row in made.members[fields].head(sample).to_dict("records")],
    )
