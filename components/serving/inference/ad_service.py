"""Chooses ads for a request, and books what follows: published rules, the user's tags, the ranker, the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import numpy as np

from components.applications.ads.auction import Award
from components.applications.ads.campaigns import Ad
from components.applications.ads.market import MarketState
from components.applications.ads.published import EVENTS, NOT_PUBLISHED, PublishedAds
from components.applications.ads.tags import interest_tags, labels_of
from components.contracts import FloatArray, Users
from components.experiments.definition import hash_to_unit
from components.serving.inference.errors import MissingPartError
from components.serving.inference.histories import build_user, to_rows
from components.serving.inference.model_context import ModelContext
from components.serving.inference.online_features import TASKS
from components.serving.inference.service import RecommendationService
from components.serving.models.published import PublishedApplication
from components.serving.schemas import UserOrHistory
from components.serving.storage.ad_ledger import AdDecision, AdEvent, AdLedger, LedgerState, OutcomeResult
from components.serving.storage.event_store import CLOCK_SKEW_US
from components.times import HOUR_US, now_micros


@dataclass(frozen=True)
class ChosenAd:
    """An ad for a slot of the page."""

    ad: Ad
    decision: AdDecision
    probability: float
    propensity: float
    value: float


class AdService:
    """The ads of one process."""

    def __init__(self, service: RecommendationService) -> None:
        self.service, self.ledger = service, AdLedger(service.store)
        self.published = PublishedApplication(service.watcher.folder.parent, "ads", PublishedAds.load)

    async def choose(self, body: UserOrHistory, first_slot: int, k: int) -> list[ChosenAd]:
        """Return ads for the slots from first_slot on, at most k; fewer where no ad may be shown.

        Raises NoModelError, OverloadError, StoreError, and MissingPartError where nothing is published.
        """
        service = self.service
        context = service.contexts.get(service.assign(body.user_id).served)
        stored = await service.reader.history(body.user_id, context.bundle.info.max_history) if body.user_id else []
        user, request_id = build_user(context.bundle, to_rows(body.history or stored)), uuid4().hex
        slots = list(range(first_slot, first_slot + k))

        def work() -> list[ChosenAd]:
            published = self._read()
            profile = context.online_features.profile(stored, now_micros() + CLOCK_SKEW_US)
            targeted = _targeted(published, body.user_id, profile)
            ads = [published.ads[n] for n in targeted]
            if not ads:
                return []
            ranked = _rank(context, user, profile, ads)
            probabilities = published.probabilities(ads, ranked, slots)
            return self._decide(published, targeted, probabilities, body.user_id, slots, request_id)

        return await service.workers.run_in_worker(work)

    async def record(self, decision_id: str, event: AdEvent) -> OutcomeResult:
        """Book an outcome; see AdLedger.record. Raises OverloadError, StoreError, MissingPartError."""

        def work() -> OutcomeResult:
            published = self._read()
            budgets = {ad.campaign: ad.daily_budget for ad in published.ads}
            longest = round(published.rules.outcome_hours * HOUR_US)
            return self.ledger.record(decision_id, event, now_micros(), budgets, longest)

        return await self.service.workers.run_in_worker(work)

    def _read(self) -> PublishedAds:
        published = self.published()
        if published is None:
            raise MissingPartError(NOT_PUBLISHED)
        return published

    def _decide(
        self,
        published: PublishedAds,
        targeted: Sequence[int],
        probabilities: Sequence[Sequence[float]],
        user_id: str | None,
        slots: Sequence[int],
        request_id: str,
    ) -> list[ChosenAd]:
        """Run the auction on the ledger's state, and store its decisions in the same transaction."""
        at, chosen = now_micros(), list[ChosenAd]()
        caps = {ad.ad_id: round(ad.cap_hours * HOUR_US) for ad in published.ads if ad.cap}

        def choose(state: LedgerState) -> list[AdDecision]:
            shown = {
                ad_id: sum(when > at - window for when in state.shown_at.get(ad_id, ()))
                for ad_id, window in caps.items()
            }
            market_state = MarketState(at, state.spent, _open_charges(published, state), shown)
            awards = published.market.choose(targeted, probabilities, market_state, _draws(request_id))
            chosen[:] = [_to_chosen(published, award, slots, request_id) for award in awards]
            return [choice.decision for choice in chosen]

        self.ledger.decide(user_id, at, max(caps.values(), default=0), choose)
        return chosen


def _targeted(published: PublishedAds, user_id: str | None, profile: dict[str, Any] | None) -> list[int]:
    """Return the ads for the user, by their index: tags from the live profile, segments as published."""
    tags = interest_tags((profile or {}).get("categories"), published.rules.min_tag_share)
    return published.market.targeted(labels_of(tags, published.segments.get(user_id or "", ())))


def _rank(
    context: ModelContext, user: Users, profile: dict[str, Any] | None, ads: Sequence[Ad]
) -> dict[str, FloatArray] | None:
    """Return event -> (n_ads,) the ranker's probabilities, NaN for an ad whose product the model does not know."""
    index = context.bundle.index
    rows = [n for n, ad in enumerate(ads) if ad.item_id in index]
    items = np.array([index[ads[n].item_id or ""] for n in rows], np.int32)
    found = context.online_features.predict_proba(user, profile, items) if rows else None
    if found is None:
        return None
    ranked: dict[str, FloatArray] = {event: np.full(len(ads), np.nan, np.float32) for event in EVENTS}
    for event in EVENTS:
        ranked[event][rows] = found[:, TASKS.index(event)]
    return ranked


def _open_charges(published: PublishedAds, state: LedgerState) -> dict[str, float]:
    """Return campaign -> expected charges that are still open: of purchases, and of clicks of the newest seconds."""
    purchases = {ad.campaign for ad in published.ads if ad.bid_type == "purchase"}
    found = dict(state.open_clicks)
    for name, money in state.pending.items():
        if name in purchases:
            found[name] = found.get(name, 0.0) + money
    return found


def _draws(request_id: str) -> Callable[[], float]:
    """Return the numbers of a request: the same where a transaction runs again."""
    return (hash_to_unit(request_id, str(n)) for n in count()).__next__


def _to_chosen(published: PublishedAds, award: Award, slots: Sequence[int], request_id: str) -> ChosenAd:
    ad, slot = published.ads[award.ad], slots[award.slot]
    decision = AdDecision(
        decision_id=f"{request_id}-{slot}",
        ad_id=ad.ad_id,
        campaign=ad.campaign,
        bid_type=ad.bid_type,
        slot=slot,
        price=award.price,
        expected=award.price * award.probability,
        propensities={published.ads[n].ad_id: p for n, p in award.propensities.items()},
    )
    return ChosenAd(ad, decision, award.probability, award.propensity, award.value)
