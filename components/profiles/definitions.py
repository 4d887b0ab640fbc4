"""What a profile says, once: its columns with their units, and the formulas that batch (Ibis) and live (Python) share.

A profile is made of facts before a moment, the cut: events, reviews, searches and what a user did among others (the
social block), each at a time in microseconds.
A `Number` is one aggregate over facts, a `Names` one list of names with shares. aggregates.py reads them as Ibis,
live.py as plain Python; neither knows a column of its own.
"""

from dataclasses import dataclass
from typing import Any, Literal

from components.contracts import EVENTS
from components.language.text import normalise
from components.params import ProfilesParams
from components.times import DAY_US

UNIT = 2.0**40  # amounts are added up as whole numbers of 1/UNIT: exact in any order, so equal rows give equal bytes
LEVEL = " > "  # between the levels of a category path
VISITS = ("view", "click", "cart", "purchase")  # events that show a visitor of an item; an impression does not

FactKind = Literal["events", "reviews", "searches", "social"]
How = Literal["count", "sum", "mean", "days_since_newest", "days_since_oldest"]


@dataclass(frozen=True)
class Column:
    """A number of a profile; null where it is not defined, if `nullable`."""

    name: str
    unit: str
    nullable: bool
    log: bool  # True: heavy-tailed, models read sign(x) * log(1 + |x|)


@dataclass(frozen=True)
class Number(Column):
    """A number that is an aggregate of one kind of facts in [cut - days, cut); days None: since ever."""

    how: How
    facts: FactKind
    amount: str | None = None  # what is added up: "money", "price_percentile", "sentiment" or "weight"
    events: tuple[str, ...] = ()  # only these; none named: all
    days: int | None = None


@dataclass(frozen=True)
class Names:
    """A list of names in falling order of their share, at most profiles.top; the shares of all names sum to 1."""

    name: str
    unit: str
    facts: FactKind
    of: str  # the fact's "category", "brand" or "terms"


def user_numbers(profiles: ProfilesParams) -> list[Number]:
    """Return the numbers of a user's profile in their order.

    value: money of purchases less returns; an event without a price is left out, one without a quantity is of one
    piece. price_level: mean price_percentile of what was bought. sentiment: mean over the user's reviews, by their
    stars, or by their words where there are no stars.
    """
    lately = profiles.horizon_days
    return [
        _number("recency_days", "days since the newest event", "days_since_newest", "events"),
        _number("tenure_days", "days since the first event", "days_since_oldest", "events"),
        _number("frequency", "purchase events", "count", "events", None, ("purchase",), lately),
        _number("value", "money, the shop's currency", "sum", "events", "money", ("purchase", "return"), lately),
        *_counts(profiles),
        _number("price_level", "[0, 1]", "mean", "events", "price_percentile", ("purchase",), lately),
        _number("sentiment", "[0, 1], 1 is glad", "mean", "reviews", "sentiment", (), lately),
        _number("n_reviews", "reviews", "count", "reviews", None, (), lately),
        _number("n_searches", "searches", "count", "searches", None, (), lately),
        *(
            _number(f"social_{d}d", "follows, likes, shares", "count", "social", None, (), d)
            for d in profiles.windows_days
        ),
        _number("n_social", "follows, likes, shares", "count", "social", None, (), lately),
    ]


def user_names() -> list[Names]:
    """Return the lists of a user's profile: what the user is interested in."""
    return [
        Names("categories", "whole category paths, by profiles.weights of events", "events", "category"),
        Names("brands", "brands, by profiles.weights of events", "events", "brand"),
        Names("search_terms", "words of the user's searches", "searches", "terms"),
    ]


def item_numbers(profiles: ProfilesParams) -> list[Number]:
    """Return those numbers of an item's profile that are aggregates; users.py and items.py share how they are made.

    popularity_<d>d: sum of profiles.weights of the events in d days, anonymous ones too.
    """
    lately = profiles.horizon_days
    return [
        _number("age_days", "days since first seen", "days_since_oldest", "events"),
        *_counts(profiles),
        *(
            _number(f"popularity_{d}d", "weighted events", "sum", "events", "weight", tuple(profiles.weights), d)
            for d in profiles.windows_days
        ),
        _number("sentiment", "[0, 1], 1 is glad", "mean", "reviews", "sentiment", (), lately),
        _number("n_reviews", "reviews", "count", "reviews", None, (), lately),
    ]


def item_rates() -> list[Column]:
    """Return the numbers of an item's profile that items.py derives."""
    return [
        Column("conversion", "buyers per visitor, smoothed", nullable=True, log=False),
        Column("return_share", "returns per purchase, smoothed", nullable=True, log=False),
        Column("price", "the shop's currency", nullable=True, log=True),
        Column("price_position", "[0, 1], percentile in the top category", nullable=True, log=False),
    ]


def money(price: Any, quantity: Any) -> Any:
    """Return what an event cost."""
    return price * quantity


def sentiment(rating: Any) -> Any:
    """Return a sentiment in [0, 1] for a rating in [1, 5]."""
    return (rating - 1.0) / 4.0


def decay(age_days: Any, half_life_days: float) -> Any:
    """Return the weight in (0, 1] of a fact of that age."""
    return 2.0 ** (age_days * (-1.0 / half_life_days))


def terms(query: str) -> list[str]:
    """Return the words of a query in one form, in its order: split at blanks, so Chinese without blanks is one word."""
    return normalise(query).lower().split()


def start_us(cut_us: int, days: int) -> int:
    """Return the first microsecond of a window that ends at the cut."""
    return cut_us - days * DAY_US


def _counts(profiles: ProfilesParams) -> list[Number]:
    return [
        _number(f"{event}_{days}d", "events", "count", "events", None, (event,), days)
        for event in EVENTS
        for days in profiles.windows_days
    ]


def _number(
    name: str,
    unit: str,
    how: How,
    facts: FactKind,
    amount: str | None = None,
    events: tuple[str, ...] = (),
    days: int | None = None,
) -> Number:
    """Return a Number: what is 0 without facts is never null, and a mean has no heavy tail."""
    nullable = how != "count" and amount != "weight"
    return Number(name, unit, nullable, how != "mean", how, facts, amount, events, days)
