"""The profile of one user, updated event by event in plain Python; the values are those of users.py.

A state holds the user's facts of the last profiles.horizon_days, oldest first, and the times of the first and last
older event, so its size is bounded by the user's activity in that time. States are immutable: `update` returns a new
one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from components.contracts import EVENTS, LEVEL, Catalogue
from components.errors import ContractError
from components.params import ProfilesParams
from components.profiles import definitions
from components.profiles.definitions import (
    UNIT,
    Aggregate,
    TopNames,
    user_aggregates,
    user_top_names,
    window_start,
)
from components.times import DAY_US


@dataclass(frozen=True)
class ProfileEvent:
    """One row of the table events; timestamp in microseconds."""

    user_id: str | None
    item_id: str
    timestamp: int
    event: str
    quantity: float | None = None
    price: float | None = None


@dataclass(frozen=True)
class ReviewEvent:
    """One row of the table reviews; sentiment in [0, 1] of the text, where there is no rating."""

    user_id: str
    item_id: str
    timestamp: int
    rating: float | None
    sentiment: float | None = None


@dataclass(frozen=True)
class SearchEvent:
    """One row of the table searches."""

    user_id: str | None
    timestamp: int
    query: str


@dataclass(frozen=True)
class SocialEvent:
    """One row of the table social."""

    user_id: str
    timestamp: int
    action: str
    other_id: str | None = None


@dataclass(frozen=True)
class ItemAttributes:
    """The attributes of an item that user profiles need (facts.items)."""

    category: str | None
    brand: str | None
    price_percentile: float | None


@dataclass(frozen=True)
class Fact:
    """The parts of a row that a profile needs: time (us), item, amount (in 1/UNIT) and search terms."""

    at: int
    item_id: str | None = None
    amount: int | None = None
    terms: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProfileState:
    """The facts of one user from which a profile is computed."""

    user_id: str
    facts: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)  # event type, "reviews", ... -> facts
    first: int | None = None  # times of the first and last event among the dropped facts
    last: int | None = None
    dropped_until: int | None = None  # facts up to this time were dropped


class LiveProfiles:
    """Updates states and computes profiles from them, with given params and attributes of the items."""

    def __init__(self, params: ProfilesParams, items: Mapping[str, ItemAttributes]) -> None:
        self.params = params
        self.items = items
        self.aggregates = user_aggregates(params)
        self.top_names = user_top_names()

    def update(self, state: ProfileState, row: ProfileEvent | ReviewEvent | SearchEvent | SocialEvent) -> ProfileState:
        """Return the state after the row; rows may arrive out of order, and anonymous rows change nothing.

        Raises ContractError for a row of another user or an unknown event.
        """
        if row.user_id is None:
            return state
        if row.user_id != state.user_id:
            raise ContractError(
                "profile state: expected a row of the state's user, got one of another user; use one state per user_id"
            )
        kind, fact = _fact(row)
        rows = state.facts.get(kind, ())
        position = bisect_right(rows, fact.at, key=_time)
        state = replace(state, facts={**state.facts, kind: (*rows[:position], fact, *rows[position:])})
        newest = max(rows[-1].at for rows in state.facts.values() if rows)
        return _drop_before(state, window_start(newest, self.params.horizon_days))

    def profile(self, state: ProfileState, now: int) -> dict[str, Any] | None:
        """Return the profile from the facts before `now` (us), keys as in users.py; None before the first event.

        Raises ContractError when facts that a profile at `now` needs were dropped already.
        """
        begin = window_start(now, self.params.horizon_days)
        if state.dropped_until is not None and begin <= state.dropped_until:
            raise ContractError(
                f"profile: at {now} us facts from {begin} us are needed, but those until {state.dropped_until} us were "
                "dropped; use a time after the newest event, or user_profiles for the past"
            )
        if _first(state) is None or _first(state) >= now:  # type: ignore[operator]
            return None
        profile: dict[str, Any] = {"user_id": state.user_id}
        profile |= {aggregate.name: self._aggregate(state, aggregate, now) for aggregate in self.aggregates}
        return profile | {names.name: self._top_names(state, names, begin, now) for names in self.top_names}

    def _aggregate(self, state: ProfileState, aggregate: Aggregate, now: int) -> float | None:
        if aggregate.how == "days_since_newest":
            return (now - max(_newest(state, now))) / DAY_US
        if aggregate.how == "days_since_oldest":
            return (now - (_first(state) or 0)) / DAY_US
        kinds = (aggregate.events or EVENTS) if aggregate.facts == "events" else (aggregate.facts,)
        parts = [_window(state, kind, window_start(now, aggregate.days or 0), now) for kind in kinds]
        if aggregate.how == "count":
            return sum(len(part) for part in parts)
        amounts = [self._amount(fact, aggregate.amount) for part in parts for fact in part]
        known = [a for a in amounts if a is not None]
        if not known:
            return None
        return float(sum(known)) / UNIT / (len(known) if aggregate.how == "mean" else 1)

    def _amount(self, fact: Fact, of: str | None) -> int | None:
        if of != "price_percentile":
            return fact.amount
        item = self.items.get(fact.item_id or "")
        return None if item is None or item.price_percentile is None else _to_fixed_point(item.price_percentile)

    def _top_names(self, state: ProfileState, names: TopNames, begin: int, now: int) -> list[dict[str, Any]] | None:
        rows = list(self._named_facts(state, names, begin, now))
        newest = max((at for at, _, _ in rows), default=0)
        parts: dict[str, int] = defaultdict(int)
        for at, name, weight in rows:
            decay = definitions.decay((newest - at) / DAY_US, self.params.half_life_days)
            parts[name] += math.floor(weight * decay * UNIT + 0.5)
        total = float(sum(parts.values()))
        best = sorted((-part, name) for name, part in parts.items() if part > 0)[: self.params.top]
        return [{"name": name, "share": -part / total} for part, name in best] or None

    def _named_facts(
        self, state: ProfileState, names: TopNames, begin: int, now: int
    ) -> Iterator[tuple[int, str, float]]:
        """Yield time, name and weight of each fact with a name."""
        if names.facts == "searches":
            for fact in _window(state, "searches", begin, now):
                yield from ((fact.at, term, 1.0) for term in fact.terms)
            return
        for event, weight in self.params.weights.items():
            for fact in _window(state, event, begin, now):
                name = getattr(self.items.get(fact.item_id or ""), names.attribute, None)
                if name is not None:
                    yield fact.at, name, weight


def item_attributes(items: Catalogue) -> dict[str, ItemAttributes]:
    """Return item_id -> category, brand and price percentile; for the same products, facts.items gives the same."""
    top = np.array([path.split(LEVEL)[0].strip() for path in items.category])
    percentile = np.full(len(items) + 1, np.nan)
    for name in set(top[1:]) - {""}:
        rows = np.flatnonzero((top == name) & ~np.isnan(items.price))
        prices = np.sort(items.price[rows])
        below, upto = (np.searchsorted(prices, items.price[rows], side) for side in ("left", "right"))
        percentile[rows] = (below + upto) / 2 / max(len(rows), 1)
    return {
        item_id: ItemAttributes(
            items.category[i].strip() or None,
            items.brand[i].strip() or None,
            None if np.isnan(percentile[i]) else float(percentile[i]),
        )
        for i, item_id in enumerate(items.item_id)
        if i
    }


def _fact(row: ProfileEvent | ReviewEvent | SearchEvent | SocialEvent) -> tuple[str, Fact]:
    """Return the row as a fact, and its kind."""
    if isinstance(row, SearchEvent):
        return "searches", Fact(row.timestamp, terms=tuple(definitions.terms(row.query)))
    if isinstance(row, ReviewEvent):
        stars = None if row.rating is None else definitions.sentiment(row.rating)
        sentiment = stars if row.sentiment is None else row.sentiment
        return "reviews", Fact(row.timestamp, row.item_id, None if sentiment is None else _to_fixed_point(sentiment))
    if isinstance(row, SocialEvent):
        return "social", Fact(row.timestamp)
    if row.event not in EVENTS:
        raise ContractError(f"profile: expected an event of {', '.join(EVENTS)}, got {row.event!r}")
    if row.price is None:
        return row.event, Fact(row.timestamp, row.item_id)
    cost = definitions.money(row.price, 1.0 if row.quantity is None else row.quantity)
    return row.event, Fact(row.timestamp, row.item_id, _to_fixed_point(-cost if row.event == "return" else cost))


def _drop_before(state: ProfileState, before: int) -> ProfileState:
    """Return the state without facts before that time; the times of the first and last dropped event are stored."""
    old = {kind: rows[: bisect_left(rows, before, key=_time)] for kind, rows in state.facts.items()}
    gone = {kind: [fact.at for fact in rows] for kind, rows in old.items() if rows}
    if not gone:
        return state
    times = [at for kind, ats in gone.items() if kind in EVENTS for at in ats]
    first = [t for t in (state.first, *times) if t is not None]
    last = [t for t in (state.last, *times) if t is not None]
    latest = [t for t in (state.dropped_until,) if t is not None]
    return ProfileState(
        state.user_id,
        {kind: rows[len(old[kind]) :] for kind, rows in state.facts.items()},
        min(first, default=None),
        max(last, default=None),
        max([*latest, *(at for ats in gone.values() for at in ats)]),
    )


def _window(state: ProfileState, kind: str, begin: int, end: int) -> tuple[Fact, ...]:
    rows = state.facts.get(kind, ())
    return rows[bisect_left(rows, begin, key=_time) : bisect_left(rows, end, key=_time)]


def _first(state: ProfileState) -> int | None:
    """Return the time of the first event, or None."""
    times = [rows[0].at for kind in EVENTS if (rows := state.facts.get(kind))]
    return min([*times, *([] if state.first is None else [state.first])], default=None)


def _newest(state: ProfileState, now: int) -> list[int]:
    """Return the times of the newest event before now, by kind."""
    times = [rows[-1].at for kind in EVENTS if (rows := _window(state, kind, 0, now))]
    return times if state.last is None else [*times, state.last]


def _time(fact: Fact) -> int:
    return fact.at


def _to_fixed_point(value: float) -> int:
    return round(value * UNIT)
