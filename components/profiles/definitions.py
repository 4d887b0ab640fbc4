"""Defines the columns of a profile with their units, and the formulas that batch (Ibis) and live (Python) share.

A profile is computed from facts before a point in time, the cut: events, reviews, searches and social actions, each
with a time in microseconds. An `Aggregate` is one number over facts, a `TopNames` a list of names with shares.
aggregates.py evaluates them in Ibis, live.py in Python; all columns are defined here.
"""

from dataclasses import dataclass
from typing import Any, Literal

from components.contracts import EVENTS
from components.language.text import normalise
from components.params import ProfilesParams
from components.times import DAY_US

UNIT = 2.0**40  # amounts are summed as whole multiples of 1/UNIT: exact in any order, so equal rows give equal bytes
VISITS = ("view", "click", "cart", "purchase")  # events that make a user a visitor of an item; an impression does not

FactKind = Literal["events", "reviews", "searches", "social"]
How = Literal["count", "sum", "mean", "days_since_newest", "days_since_oldest"]


@dataclass(frozen=True)
class Column:
    """A numeric column of a profile; null where it is not defined, if `nullable`."""

    name: str
    unit: str
    nullable: bool
    log: bool  # heavy-tailed: models get sign(x) * log(1 + |x|)


@dataclass(frozen=True)
class Aggregate(Column):
    """An aggregate of one kind of facts in [cut - days, cut); days None: of all facts before the cut."""

    how: How
    facts: FactKind
    amount: str | None = None  # the summed column: "money", "price_percentile", "sentiment" or "weight"
    events: tuple[str, ...] = ()  # event types; empty: all
    days: int | None = None


@dataclass(frozen=True)
class TopNames:
    """The profiles.top names with the largest shares, in descending order; the shares of all names sum to 1."""

    name: str
    unit: str
    facts: FactKind
    attribute: str  # of a fact: "category", "brand" or "terms"


def user_aggregates(profiles: ProfilesParams) -> list[Aggregate]:
    """Return the numeric columns of a user's profile in order.

    value: money of purchases minus returns; an event without a price is left out, a missing quantity is 1.
    price_level: mean price_percentile of purchased items. sentiment: mean over the user's reviews, from the rating, or
    from the text where there is no rating.
    """
    horizon = profiles.horizon_days
    return [
        _aggregate("recency_days", "days since the newest event", "days_since_newest", "events"),
        _aggregate("tenure_days", "days since the first event", "days_since_oldest", "events"),
        _aggregate("frequency", "purchase events", "count", "events", None, ("purchase",), horizon),
        _aggregate("value", "money, the shop's currency", "sum", "events", "money", ("purchase", "return"), horizon),
        *_counts(profiles),
        _aggregate("price_level", "[0, 1]", "mean", "events", "price_percentile", ("purchase",), horizon),
        _aggregate("sentiment", "[0, 1], 1 is positive", "mean", "reviews", "sentiment", (), horizon),
        _aggregate("n_reviews", "reviews", "count", "reviews", None, (), horizon),
        _aggregate("n_searches", "searches", "count", "searches", None, (), horizon),
        *(
            _aggregate(f"social_{d}d", "follows, likes, shares", "count", "social", None, (), d)
            for d in profiles.windows_days
        ),
        _aggregate("n_social", "follows, likes, shares", "count", "social", None, (), horizon),
    ]


def user_top_names() -> list[TopNames]:
    """Return the list columns of a user's profile: the user's interests."""
    return [
        TopNames("categories", "whole category paths, by profiles.weights of events", "events", "category"),
        TopNames("brands", "brands, by profiles.weights of events", "events", "brand"),
        TopNames("search_terms", "words of the user's searches", "searches", "terms"),
    ]


def item_aggregates(profiles: ProfilesParams) -> list[Aggregate]:
    """Return the columns of an item's profile that are aggregates.

    popularity_<d>d: sum of profiles.weights of the events in d days, including anonymous events.
    """
    horizon = profiles.horizon_days
    return [
        _aggregate("age_days", "days since first seen", "days_since_oldest", "events"),
        *_counts(profiles),
        *(
            _aggregate(f"popularity_{d}d", "weighted events", "sum", "events", "weight", tuple(profiles.weights), d)
            for d in profiles.windows_days
        ),
        _aggregate("sentiment", "[0, 1], 1 is positive", "mean", "reviews", "sentiment", (), horizon),
        _aggregate("n_reviews", "reviews", "count", "reviews", None, (), horizon),
    ]


def item_derived_columns() -> list[Column]:
    """Return the columns of an item's profile that items.py derives from others."""
    return [
        Column("conversion", "buyers per visitor, smoothed", nullable=True, log=False),
        Column("return_share", "returns per purchase, smoothed", nullable=True, log=False),
        Column("price", "the shop's currency", nullable=True, log=True),
        Column("price_position", "[0, 1], percentile in the top category", nullable=True, log=False),
    ]


def money(price: Any, quantity: Any) -> Any:
    """Return the amount of an event."""
    return price * quantity


def sentiment(rating: Any) -> Any:
    """Return a sentiment in [0, 1] for a rating in [1, 5]."""
    return (rating - 1.0) / 4.0


def decay(age_days: Any, half_life_days: float) -> Any:
    """Return the weight in (0, 1] of a fact of that age: 0.5 after one half-life."""
    return 2.0 ** (age_days * (-1.0 / half_life_days))


def terms(query: str) -> list[str]:
    """Return the normalised words of a query, split at blanks: Chinese text without blanks is one word."""
    return normalise(query).lower().split()


def window_start(cut_us: int, days: int) -> int:
    """Return the first microsecond of the window of `days` that ends at the cut."""
    return cut_us - days * DAY_US


def _counts(profiles: ProfilesParams) -> list[Aggregate]:
    return [
        _aggregate(f"{event}_{days}d", "events", "count", "events", None, (event,), days)
        for event in EVENTS
        for days in profiles.windows_days
    ]


def _aggregate(
    name: str,
    unit: str,
    how: How,
    facts: FactKind,
    amount: str | None = None,
    events: tuple[str, ...] = (),
    days: int | None = None,
) -> Aggregate:
    """Return the aggregate: counts and weights are 0 without facts, others null; means are not heavy-tailed."""
    nullable = how != "count" and amount != "weight"
    return Aggregate(name, unit, nullable, how != "mean", how, facts, amount, events, days)
