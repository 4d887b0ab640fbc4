"""The auction: expected value is bid x probability, second price with a reserve, exploration with known propensity.

Slots are filled in turn. With probability epsilon the ad is drawn uniformly among those that remain, else it is the one
of the highest value; so the propensity of every choice is known exactly. The price is what the chosen ad needs to keep
its rank in the slot: the value of the next remaining ad of another campaign, or the reserve, divided by its own
probability. With epsilon 0 and one slot this is the second-price auction; with more slots the generalised one
(Edelman, Ostrovsky and Schwarz 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Offer(NamedTuple):
    """An ad that may be shown to the user in any of the slots."""

    ad: int  # index in the list of ads; ties go to the lower one
    campaign: str
    bid: float  # of a click or purchase
    probabilities: Sequence[float]  # of that event, in each slot


class Award(NamedTuple):
    """An ad that was chosen for a slot."""

    ad: int
    slot: int  # index in the request's slots
    price: float  # of a click or purchase, at most the bid
    probability: float  # of that event, as predicted
    value: float  # bid x probability: expected, per impression
    propensity: float  # of this choice, given the ads in the slots before
    propensities: dict[int, float]  # the same of every ad that could be chosen


def run_auction(
    offers: Sequence[Offer], n_slots: int, reserve: float, epsilon: float, draw: Callable[[], float]
) -> list[Award]:
    """Return one award per filled slot.

    Probabilities are above 0. reserve: lowest expected value of an impression, money. draw: returns the next uniform
    number in [0, 1); two are taken for each slot.
    """
    remaining, awards = list(offers), list[Award]()
    for slot in range(n_slots):
        ranked = [
            entry
            for entry in sorted([(-offer.bid * offer.probabilities[slot], offer) for offer in remaining])
            if -entry[0] >= reserve
        ]
        if not ranked:
            break
        chance, point = draw(), draw()
        rank = int(point * len(ranked)) if chance < epsilon else 0
        negative, winner = ranked[rank]
        floor = max(_next_value(ranked, rank), reserve)
        propensities = choice_probabilities([offer.ad for _, offer in ranked], epsilon)
        probability = winner.probabilities[slot]
        price = min(winner.bid, floor / probability)
        propensity = propensities[winner.ad]
        awards.append(Award(winner.ad, slot, price, probability, -negative, propensity, propensities))
        remaining.remove(winner)
    return awards


def _next_value(ranked: Sequence[tuple[float, Offer]], rank: int) -> float:
    """Return the value of the first ad of another campaign after this rank; 0 where there is none."""
    campaign = ranked[rank][1].campaign
    for negative, offer in ranked[rank + 1 :]:
        if offer.campaign != campaign:
            return -negative
    return 0.0


def choice_probabilities(ranked: Sequence[int], epsilon: float) -> dict[int, float]:
    """Return ad -> probability that the exploring auction chooses it. ranked: ads, the highest value first."""
    probabilities = dict.fromkeys(ranked, epsilon / len(ranked))
    probabilities[ranked[0]] += 1 - epsilon
    return probabilities
