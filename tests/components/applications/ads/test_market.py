"""Who may take part: targeting, dates, caps, pacing."""

import pytest

from components.applications.ads.campaigns import NO_END, Ad
from components.applications.ads.market import Market, MarketState
from components.applications.ads.pacing import Pacer, TrafficForecast
from components.times import DAY_US, HOUR_US

NOON = 20_000 * DAY_US + 12 * HOUR_US
PACER = Pacer(TrafficForecast((1 / 24,) * 24), 60.0)


def ad(ad_id: str, campaign: str, bid: float, **changes: object) -> Ad:
    values = {"item_id": None, "text": "x", "bid_type": "click", "daily_budget": 100.0, "start": 0, "end": NO_END,
              "targeting": "", "cap": 0, "cap_hours": 24.0} | changes  # fmt: skip
    return Ad(ad_id=ad_id, campaign=campaign, bid=bid, **values)  # type: ignore[arg-type]


def market(*ads: Ad) -> Market:
    return Market(ads, PACER, reserve=0.001, epsilon=0.0)


def chosen(found: Market, targeted: list[int], state: MarketState, n_slots: int = 1) -> list[str]:
    awards = found.choose(targeted, [[0.1] * n_slots] * len(targeted), state, lambda: 0.5)
    return [found.ads[award.ad].ad_id for award in awards]


def test_targeting_selects_by_labels() -> None:
    found = market(ad("a", "c", 1, targeting="tag:tea"), ad("b", "d", 1))
    assert found.targeted(frozenset({"tag:tea"})) == [0, 1]
    assert found.targeted(frozenset()) == [1]


def test_the_highest_value_wins_while_campaigns_are_behind_plan() -> None:
    found = market(ad("a", "c", 0.5), ad("b", "d", 1.0))
    assert chosen(found, [0, 1], MarketState(NOON, {})) == ["b"]
    assert chosen(found, [0, 1], MarketState(NOON, {}), n_slots=2) == ["b", "a"]


def test_a_campaign_level_with_its_plan_waits() -> None:
    found = market(ad("a", "c", 0.5), ad("b", "d", 1.0))
    assert chosen(found, [0, 1], MarketState(NOON, {"d": 50.0})) == ["a"]
    assert chosen(found, [0, 1], MarketState(NOON, {"c": 50.0, "d": 50.0})) == []


def test_open_expectations_count_as_spend() -> None:
    found = market(ad("a", "c", 0.5), ad("b", "d", 1.0))
    assert chosen(found, [0, 1], MarketState(NOON, {"d": 30.0}, pending={"d": 20.1})) == ["a"]


def test_a_capped_ad_waits() -> None:
    found = market(ad("a", "c", 0.5), ad("b", "d", 1.0, cap=2))
    assert chosen(found, [0, 1], MarketState(NOON, {}, shown={"b": 1})) == ["b"]
    assert chosen(found, [0, 1], MarketState(NOON, {}, shown={"b": 2})) == ["a"]


@pytest.mark.parametrize(("start", "end", "expected"), [(NOON, NOON + 1, []), (NOON - HOUR_US, NOON, []),
                                                        (NOON - HOUR_US, NOON + 1, ["a"])])  # fmt: skip
def test_dates(start: int, end: int, expected: list[str]) -> None:
    """At its first moment a campaign has no plan yet."""
    assert chosen(market(ad("a", "c", 0.5, start=start, end=end)), [0], MarketState(NOON, {})) == expected


def test_a_campaign_starts_with_its_first_ad() -> None:
    found = market(ad("a", "c", 0.5, start=5), ad("b", "c", 0.5, start=3))
    assert found.campaigns == {"c": (100.0, 3)}
