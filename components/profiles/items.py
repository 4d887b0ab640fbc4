"""Profiles of items at a moment, as one Ibis expression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.profiles import aggregates, facts
from components.profiles.definitions import VISITS, item_numbers, item_rates, start_us
from components.times import DAY_US, to_micros

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir

    from components.params import ProfilesParams
    from components.profiles.facts import Tables


def item_profiles(tables: Tables, cut: datetime, params: ProfilesParams) -> ir.Table:
    """Return a row for each item known before the cut: item_id, then definitions.item_numbers and item_rates.

    Known is what an event or review before the cut names, or a product row of before the cut or without a time.
    """
    events, reviews = facts.events(tables, cut, params), facts.reviews(tables, cut)
    at, wanted = to_micros(cut), item_numbers(params)
    products = facts.items(tables, cut).select("item_id", "listed", price="price", price_position="price_percentile")
    ids = (t.select("item_id") for t in (products, events, reviews))
    table = next(ids).union(*ids, distinct=True)
    for kind, rows in (("events", events), ("reviews", reviews)):
        part = aggregates.numbers(rows, "item_id", [n for n in wanted if n.facts == kind], at)
        table = aggregates.joined(table, part, "item_id")
    for part in (products, _conversion(events, params, at), _returns(events, params, at)):
        table = aggregates.joined(table, part, "item_id")
    table = aggregates.counted(table, wanted)
    return table.mutate(age_days=_older(table.age_days, (at - table.listed) / DAY_US)).select(
        "item_id", *(n.name for n in wanted), *(c.name for c in item_rates())
    )


def _conversion(events: ir.Table, params: ProfilesParams, at: int) -> ir.Table:
    """Return item_id and conversion: visitors who bought, of all visitors, within the horizon.

    A visitor is a user, or a session where the user is unknown; events with neither are left out.
    """
    rows = events.filter(events.event.isin(VISITS), events["at"] >= start_us(at, params.horizon_days))
    rows = rows.mutate(session_id=rows.user_id.isnull().ifelse(rows.session_id, None))
    rows = rows.filter(rows.user_id.notnull() | rows.session_id.notnull())
    visitors = rows.group_by("item_id", "user_id", "session_id").agg(bought=(rows.event == "purchase").any())
    counts = visitors.group_by("item_id").agg(n=visitors.count(), hits=visitors.bought.sum())
    return counts.select("item_id", conversion=_smoothed(counts, params.prior))


def _returns(events: ir.Table, params: ProfilesParams, at: int) -> ir.Table:
    """Return item_id and return_share: returns per purchase, within the horizon; null without a purchase.

    It may exceed 1 where what comes back was bought before the horizon or without a purchase event.
    """
    rows = events.filter(events["at"] >= start_us(at, params.horizon_days))
    counts = rows.group_by("item_id").agg(
        n=rows.count(where=rows.event == "purchase"), hits=rows.count(where=rows.event == "return")
    )
    return counts.select("item_id", return_share=(counts.n > 0).ifelse(_smoothed(counts, params.prior), None))


def _smoothed(counts: ir.Table, prior: float) -> ir.FloatingValue:
    """Return hits / n of each row, with `prior` further trials at the whole shop's rate."""
    rate = counts.hits.sum().over() / counts.n.sum().over()
    return (counts.hits + rate * prior) / (counts.n + prior)


def _older(seen: ir.FloatingValue, listed: ir.FloatingValue) -> ir.FloatingValue:
    import ibis

    return ibis.greatest(seen, listed)
