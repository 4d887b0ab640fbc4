"""The choice of ads for one request: which may take part, what each is worth, and the auction between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from components.applications.ads.auction import Award, Offer, run_auction
from components.applications.ads.campaigns import Ad
from components.applications.ads.pacing import Pacer
from components.applications.ads.targeting import Labels, Test, parse_targeting

Draw = Callable[[], float]  # the next uniform number in [0, 1)


@dataclass(frozen=True)
class MarketState:
    """What changes from request to request."""

    at: int  # us
    spent: Mapping[str, float]  # campaign -> money charged today
    pending: Mapping[str, float] = field(default_factory=dict)  # campaign -> expected charges that are still open
    shown: Mapping[str, int] = field(default_factory=dict)  # ad_id -> impressions of the user within its cap_hours


@dataclass(frozen=True)
class Market:
    """Ads, budgets, and the rules of the auction; the same for all requests until the next publication."""

    ads: Sequence[Ad]
    pacer: Pacer
    reserve: float  # lowest expected value of an impression, money
    epsilon: float  # probability that a slot explores

    @cached_property
    def campaigns(self) -> dict[str, tuple[float, int]]:
        """Return campaign -> budget of a day, and the start of its first ad (us)."""
        found: dict[str, tuple[float, int]] = {}
        for ad in self.ads:
            start = min(ad.start, found.get(ad.campaign, (0.0, ad.start))[1])
            found[ad.campaign] = (ad.daily_budget, start)
        return found

    @cached_property
    def tests(self) -> list[Test]:
        """Return the targeting of each ad."""
        return [parse_targeting(ad.targeting) for ad in self.ads]

    def targeted(self, labels: Labels) -> list[int]:
        """Return the ads whose targeting the user's labels fulfil, by their index."""
        return [number for number, test in enumerate(self.tests) if test(labels)]

    def choose(
        self, targeted: Sequence[int], probabilities: Sequence[Sequence[float]], state: MarketState, draw: Draw
    ) -> list[Award]:
        """Return the awards of a request, one for each slot that is filled.

        targeted: see `targeted`. probabilities: of each of these ads, of the event that it pays for, in each slot.
        """
        taking_part: dict[str, bool] = {}
        offers = []
        for number, slots in zip(targeted, probabilities, strict=True):
            ad = self.ads[number]
            if not ad.start <= state.at < ad.end or (ad.cap and state.shown.get(ad.ad_id, 0) >= ad.cap):
                continue
            if ad.campaign not in taking_part:
                taking_part[ad.campaign] = draw() < self._participation(ad.campaign, state)
            if taking_part[ad.campaign]:
                offers.append(Offer(number, ad.campaign, ad.bid, slots))
        n_slots = len(offers[0].probabilities) if offers else 0
        return run_auction(offers, n_slots, self.reserve, self.epsilon, draw)

    def _participation(self, campaign: str, state: MarketState) -> float:
        budget, start = self.campaigns[campaign]
        spent, pending = state.spent.get(campaign, 0.0), state.pending.get(campaign, 0.0)
        return self.pacer.participation(budget, spent, state.at, start, pending)
