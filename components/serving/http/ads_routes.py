"""Routes of the ads application: choose ads for a user and slot; report a click or a purchase."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import FastAPI, Request
from pydantic import Field

from components.serving.http.problems import ERRORS_404, ProblemError
from components.serving.inference.ad_service import AdService, ChosenAd
from components.serving.inference.service import RecommendationService
from components.serving.schemas import Body, Reply, UserOrHistory

MAX_SLOT, MAX_ADS = 100, 20


class AdsRequest(UserOrHistory):
    """A user or a history, and the slots of the page to fill."""

    slot: Annotated[int, Field(strict=True, ge=1, le=MAX_SLOT)] = 1
    """The first slot, from 1 at the top of the page."""
    k: Annotated[int, Field(strict=True, ge=1, le=MAX_ADS)] = 1
    """How many slots, one after the other."""


class ChosenAdItem(Reply):
    """An ad to show. Report its click or purchase with the decision_id."""

    decision_id: str
    ad_id: str
    item_id: str | None
    """Null: the ad is its text alone."""
    text: str
    campaign: str
    slot: int
    bid_type: Literal["click", "purchase"]
    price: float
    """What the click or purchase will be charged, at most the bid."""
    probability: float
    """Of that event, as predicted."""
    propensity: float
    """With which this ad was chosen among those that could be."""


class AdsAnswer(Reply):
    """The ads, one per slot; fewer where no ad may be shown: not targeted, capped, on plan, or below the reserve."""

    request_id: str
    ads: list[ChosenAdItem]


class AdOutcomeRequest(Body):
    """What followed a decision."""

    decision_id: Annotated[str, Field(min_length=1, max_length=80)]
    event: Literal["click", "purchase"]


class AdOutcomeAnswer(Reply):
    """What the outcome did."""

    request_id: str
    new: bool
    """False: it was reported before, and changed nothing."""
    charged: float
    """Money; 0 where the ad does not pay for this event, it came too late, or the day's budget is spent."""


def add_ads(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes."""
    ads = AdService(service)

    @app.post("/ads", tags=["Applications"], responses=ERRORS_404)
    async def choose_ads(body: AdsRequest, request: Request) -> AdsAnswer:
        """Return ads for a user and slot; each is logged with its propensity."""
        chosen = await ads.choose(body, body.slot, body.k)
        return AdsAnswer(request_id=request.state.request_id, ads=[_to_item(choice) for choice in chosen])

    @app.post("/ads/outcomes", tags=["Applications"], responses=ERRORS_404)
    async def report_outcome(body: AdOutcomeRequest, request: Request) -> AdOutcomeAnswer:
        """Book a click or purchase, and charge it; a report that is repeated changes nothing."""
        done = await ads.record(body.decision_id, body.event)
        if not done.is_known:
            raise ProblemError(404, "no ad was shown under this decision_id; expected one that POST /ads returned")
        return AdOutcomeAnswer(request_id=request.state.request_id, new=done.is_new, charged=done.charged)


def _to_item(choice: ChosenAd) -> ChosenAdItem:
    ad, decision = choice.ad, choice.decision
    return ChosenAdItem(
        decision_id=decision.decision_id,
        ad_id=ad.ad_id,
        item_id=ad.item_id,
        text=ad.text,
        campaign=ad.campaign,
        slot=decision.slot,
        bid_type=ad.bid_type,
        price=decision.price,
        probability=choice.probability,
        propensity=choice.propensity,
    )
