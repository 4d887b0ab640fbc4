"""The profile of one user, moved on by one event: plain Python over definitions.py, the same numbers as users.py.

A state holds the user's facts of the last profiles.horizon_days, oldest first, and when the older ones began and
ended: it is bounded by what one does in that time. States are values: `update` leaves the old one as it is.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from components.contracts import EVENTS, Catalogue
from components.errors import ContractError
from components.params import ProfilesParams
from components.profiles import definitions
from components.profiles.definitions import LEVEL, UNIT, Names, Number, start_us, user_names, user_numbers
from components.times import DAY_US


@dataclass(frozen=True)
class ProfileEvent:
    """One row of the table events as it happens; timestamp in microseconds."""

    user_id: str | None
    item_id: str
    timestamp: int
    event: str
    quantity: float | None = None
    price: float | None = None


@dataclass(frozen=True)
class ReviewEvent:
    """One row of the table reviews; sentiment in [0, 1], where the language model said it: there were no stars."""

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
    """What is known of an item at the cut (facts.items)."""

    category: str | None
    brand: str | None
    price_percentile: float | None


@dataclass(frozen=True)
class Fact:
    """What a profile keeps of a row: its time (us), item, amount (whole 1/UNIT) and search terms."""

    at: int
    item_id: str | None = None
    amount: int | None = None
    terms: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProfileState:
    """All that a profile needs of one user."""

    user_id: str
    facts: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)  # event, "reviews" ... -> facts
    first: int | None = None  # time of the first and last event that are older than all facts
    last: int | None = None
    forgotten: int | None = None  # facts of this time and earlier are not here any more


class LiveProfiles:
    """Moves states on and reads profiles from them; holds the knobs and what is known of the items."""

    def __init__(self, params: ProfilesParams, items: Mapping[str, ItemAttributes]) -> None:
        self.params = params
        self.items = items
        self.numbers = user_numbers(params)
        self.names = user_names()

    def update(self, state: ProfileState, row: ProfileEvent | ReviewEvent | SearchEvent | SocialEvent) -> ProfileState:
        """Return the state after the row, which may come late; anonymous rows change nothing.

        Raises ContractError for a row of another user or an unknown event.
        """
        if row.user_id is None:
            return state
        if row.user_id != state.user_id:
            raise ContractError("profile state: the row is of another user; keep one state for each user_id")
        kind, fact = _fact(row)
        rows = state.facts.get(kind, ())
        place = bisect_right(rows, fact.at, key=_at)
        state = replace(state, facts={**state.facts, kind: (*rows[:place], fact, *rows[place:])})
        newest = max(rows[-1].at for rows in state.facts.values() if rows)
        return _forget(state, start_us(newest, self.params.horizon_days))

    def profile(self, state: ProfileState, now: int) -> dict[str, Any] | None:
        """Return the profile from the facts before `now` (us), keys as in users.py; None before the first event.

        Raises ContractError when now is so far behind the newest fact that needed facts are forgotten.
        """
        begin = start_us(now, self.params.horizon_days)
        if state.forgotten is not None and begin <= state.forgotten:
            raise ContractError(
                f"profile: now is {now} us, but facts until {state.forgotten} us are forgotten, which it would need; "
                "ask for a time after the newest event, or build the past with components/profiles/users.py"
            )
        if _first(state) is None or _first(state) >= now:  # type: ignore[operator]
            return None
        told: dict[str, Any] = {"user_id": state.user_id}
        told |= {number.name: self._number(state, number, now) for number in self.numbers}
        return told | {names.name: self._names(state, names, begin, now) for names in self.names}

    def _number(self, state: ProfileState, number: Number, now: int) -> float | None:
        if number.how == "days_since_newest":
            return (now - max(_newest(state, now))) / DAY_US
        if number.how == "days_since_oldest":
            return (now - (_first(state) or 0)) / DAY_US
        kinds = (number.events or EVENTS) if number.facts == "events" else (number.facts,)
        parts = [_window(state, kind, start_us(now, number.days or 0), now) for kind in kinds]
        if number.how == "count":
            return sum(len(part) for part in parts)
        amounts = [self._amount(fact, number.amount) for part in parts for fact in part]
        known = [a for a in amounts if a is not None]
        if not known:
            return None
        return float(sum(known)) / UNIT / (len(known) if number.how == "mean" else 1)

    def _amount(self, fact: Fact, of: str | None) -> int | None:
        if of != "price_percentile":
            return fact.amount
        item = self.items.get(fact.item_id or "")
        return None if item is None or item.price_percentile is None else _whole(item.price_percentile)

    def _names(self, state: ProfileState, names: Names, begin: int, now: int) -> list[dict[str, Any]] | None:
        rows = list(self._named(state, names, begin, now))
        newest = max((at for at, _, _ in rows), default=0)
        parts: dict[str, int] = defaultdict(int)
        for at, name, base in rows:
            faded = definitions.decay((newest - at) / DAY_US, self.params.half_life_days)
            parts[name] += math.floor(base * faded * UNIT + 0.5)
        total = float(sum(parts.values()))
        best = sorted((-part, name) for name, part in parts.items() if part > 0)[: self.params.top]
        return [{"name": name, "share": -part / total} for part, name in best] or None

    def _named(self, state: ProfileState, names: Names, begin: int, now: int) -> Iterator[tuple[int, str, float]]:
        """Yield time, name and weight of each fact that has a name."""
        if names.facts == "searches":
            for fact in _window(state, "searches", begin, now):
                yield from ((fact.at, term, 1.0) for term in fact.terms)
            return
        for event, base in self.params.weights.items():
            for fact in _window(state, event, begin, now):
                name = getattr(self.items.get(fact.item_id or ""), names.of, None)
                if name is not None:
                    yield fact.at, name, base


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
    """Return the kind of fact and the fact that a row is."""
    if isinstance(row, SearchEvent):
        return "searches", Fact(row.timestamp, terms=tuple(definitions.terms(row.query)))
    if isinstance(row, ReviewEvent):
        stars = None if row.rating is None else definitions.sentiment(row.rating)
        said = stars if row.sentiment is None else row.sentiment
        return "reviews", Fact(row.timestamp, row.item_id, None if said is None else _whole(said))
    if isinstance(row, SocialEvent):
        return "social", Fact(row.timestamp)
    if row.event not in EVENTS:
        raise ContractError(f"profile: expected an event of {', '.join(EVENTS)}, came {row.event!r}")
    if row.price is None:
        return row.event, Fact(row.timestamp, row.item_id)
    cost = definitions.money(row.price, 1.0 if row.quantity is None else row.quantity)
    return row.event, Fact(row.timestamp, row.item_id, _whole(-cost if row.event == "return" else cost))


def _forget(state: ProfileState, before: int) -> ProfileState:
    """Return the state without facts before that time; of events, the first and last time stay."""
    old = {kind: rows[: bisect_left(rows, before, key=_at)] for kind, rows in state.facts.items()}
    gone = {kind: [fact.at for fact in rows] for kind, rows in old.items() if rows}
    if not gone:
        return state
    times = [at for kind, ats in gone.items() if kind in EVENTS for at in ats]
    first = [t for t in (state.first, *times) if t is not None]
    last = [t for t in (state.last, *times) if t is not None]
    latest = [t for t in (state.forgotten,) if t is not None]
    return ProfileState(
        state.user_id,
        {kind: rows[len(old[kind]) :] for kind, rows in state.facts.items()},
        min(first, default=None),
        max(last, default=None),
        max([*latest, *(at for ats in gone.values() for at in ats)]),
    )


def _window(state: ProfileState, kind: str, begin: int, end: int) -> tuple[Fact, ...]:
    rows = state.facts.get(kind, ())
    return rows[bisect_left(rows, begin, key=_at) : bisect_left(rows, end, key=_at)]


def _first(state: ProfileState) -> int | None:
    """Return the time of the first event, or None."""
    times = [rows[0].at for kind in EVENTS if (rows := state.facts.get(kind))]
    return min([*times, *([] if state.first is None else [state.first])], default=None)


def _newest(state: ProfileState, now: int) -> list[int]:
    """Return the times of the newest event before now, by kind."""
    times = [rows[-1].at for kind in EVENTS if (rows := _window(state, kind, 0, now))]
    return times if state.last is None else [*times, state.last]


def _at(fact: Fact) -> int:
    return fact.at


def _whole(value: float) -> int:
    return round(value * UNIT)
