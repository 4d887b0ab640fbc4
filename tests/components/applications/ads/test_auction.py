"""Auctions computed by hand; propensities are the frequencies of choices."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from components.applications.ads.auction import Award, Offer, choice_probabilities, run_auction

# values in slot 0: .10, .08, .05, .03
OFFERS = [
    Offer(0, "spring", 1.0, (0.10, 0.05)),
    Offer(1, "spring", 0.8, (0.10, 0.05)),
    Offer(2, "summer", 0.5, (0.10, 0.05)),
    Offer(3, "autumn", 0.1, (0.30, 0.15)),
]


def never() -> float:
    return 0.999


def auction(offers: list[Offer], n_slots: int = 1, reserve: float = 0.0) -> list[Award]:
    return run_auction(offers, n_slots, reserve, 0.0, never)


def test_the_winner_pays_what_beats_the_next_campaign() -> None:
    (award,) = auction(OFFERS)
    assert (award.ad, award.slot, award.propensity) == (0, 0, 1.0)
    assert award.value == pytest.approx(0.1)
    assert award.price == pytest.approx(0.05 / 0.10)  # not .08 / .10: a campaign does not bid against itself


def test_the_generalised_second_price() -> None:
    first, second = auction([OFFERS[0], OFFERS[2], OFFERS[3]], n_slots=2)
    assert (first.ad, first.price) == (0, pytest.approx(0.05 / 0.10))
    assert (second.ad, second.slot, second.price) == (2, 1, pytest.approx(0.015 / 0.05))


def test_the_reserve_excludes_and_is_the_least_price() -> None:
    (award,) = auction(OFFERS[2:], reserve=0.04)
    assert (award.ad, award.price) == (2, pytest.approx(0.4))
    assert auction(OFFERS[2:], reserve=0.06) == []
    assert auction([]) == []


def test_slots_beyond_the_ads_stay_empty() -> None:
    assert [award.ad for award in run_auction(OFFERS[:1], 2, 0.0, 0.0, never)] == [0]


def test_equal_values_go_to_the_first_ad_at_its_bid() -> None:
    (award,) = auction([Offer(5, "b", 1.0, (0.1,)), Offer(4, "a", 0.5, (0.2,))])
    assert (award.ad, award.price) == (4, pytest.approx(0.5))


def test_bidding_more_than_the_worth_never_pays() -> None:
    """Truthful: the price does not depend on the own bid; who bids above the worth wins only at a loss."""
    worth, p = 0.5, 0.1
    for bid in (0.3, 0.5, 0.7, 2.0):
        (award,) = auction([Offer(0, "us", bid, (p,)), Offer(1, "them", 1.0, (0.06,))])
        gain = p * (worth - award.price) if award.ad == 0 else 0.0
        assert gain <= 1e-12  # their value .06 is above ours, .05


@pytest.mark.parametrize("epsilon", [0.0, 0.2, 1.0])
def test_propensities_are_frequencies(epsilon: float) -> None:
    numbers = np.random.default_rng(3).random(80_000).tolist()

    def draws() -> Iterator[float]:
        yield from numbers

    draw = draws().__next__
    awards = [run_auction(OFFERS, 1, 0.0, epsilon, draw)[0] for _ in range(40_000)]
    shares = Counter(award.ad for award in awards)
    for ad, expected in awards[0].propensities.items():
        assert shares[ad] / 40_000 == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 40_000))
    assert all(award.price <= OFFERS[award.ad].bid + 1e-12 for award in awards[:1000])


def test_propensities_sum_to_one() -> None:
    assert choice_probabilities([2, 0, 1], 0.3) == {2: pytest.approx(0.8), 0: pytest.approx(0.1), 1: pytest.approx(0.1)}
