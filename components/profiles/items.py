"""Profiles of items at the cut, as one Ibis expression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.profiles import aggregates, facts
from components.profiles.definitions import VISITS, item_aggregates, item_derived_columns, window_start
from components.times import DAY_US, to_micros

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir

    from components.params import ProfilesParams
    from components.profiles.facts import Tables


def item_profiles(tables: Tables, cut: datetime, params: ProfilesParams) -> ir.Table:
    """Return a row for each item known before the cut: item_id, item_aggregates, item_derived_columns.

    Known items have an event or review before the cut, or a product row before the cut or without a time.
    """
    events, reviews = facts.events(tables, cut, params), facts.reviews(tables, cut)
    cut_us, wanted = to_micros(cut), item_aggregates(params)
    products = facts.items(tables, cut).select("item_id", "listed", price="price", price_position="price_percentile")
    ids = (t.select("item_id") for t in (products, events, reviews))
    table = next(ids).union(*ids, distinct=True)
    for kind, rows in (("events", events), ("reviews", reviews)):
        part = aggregates.compute_aggregates(rows, "item_id", [n for n in wanted if n.facts == kind], cut_us)
        table = aggregates.left_join(table, part, "item_id")
    for part in (products, _conversion(events, params, cut_us), _returns(events, params, cut_us)):
        table = aggregates.left_join(table, part, "item_id")
    table = aggregates.fill_counts(table, wanted)
    return table.mutate(age_days=_older(table.age_days, (cut_us - table.listed) / DAY_US)).select(
        "item_id", *(n.name for n in wanted), *(c.name for c in item_derived_columns())
    )


def _conversion(events: ir.Table, params: ProfilesParams, cut_us: int) -> ir.Table:
    """Return item_id and conversion: the smoothed share of visitors who bought, within the horizon.

    A visitor is a user, or a session where the user is unknown; events with neither are left out.
    """
    rows = events.filter(events.event.isin(VISITS), events["at"] >= window_start(cut_us, params.horizon_days))
    rows = rows.mutate(session_id=rows.user_id.isnull().ifelse(rows.session_id, None))
    rows = rows.filter(rows.user_id.notnull() | rows.session_id.notnull())
    visitors = rows.group_by("item_id", "user_id", "session_id").agg(bought=(rows.event == "purchase").any())
    counts = visitors.group_by("item_id").agg(n=visitors.count(), hits=visitors.bought.sum())
    return counts.select("item_id", conversion=_smoothed(counts, params.prior))


def _returns(events: ir.Table, params: ProfilesParams, cut_us: int) -> ir.Table:
    """Return item_id and return_share: smoothed returns per purchase, within the horizon; null without a purchase.

    It may exceed 1 where returned items were bought before the horizon or without a purchase event.
    """
    rows = events.filter(events["at"] >= window_start(cut_us, params.horizon_days))
    counts = rows.group_by("item_id").agg(
        n=rows.count(where=rows.event == "purchase"), hits=rows.count(where=rows.event == "return")
    )
    return counts.select("item_id", return_share=(counts.n > 0).ifelse(_smoothed(counts, params.prior), None))


def _smoothed(counts: ir.Table, prior: float) -> ir.FloatingValue:
    """Return hits / n of each row, smoothed by `prior` pseudo-trials at the rate of all items."""
    rate = counts.hits.sum().over() / counts.n.sum().over()
    return (counts.hits + rate * prior) / (counts.n + prior)


def _older(seen: ir.FloatingValue, listed: ir.FloatingValue) -> ir.FloatingValue:
    import ibis

    return ibis.greatest(seen, listed)
