"""Profiles of users at the cut, as one Ibis expression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.profiles import aggregates, facts
from components.profiles.definitions import user_aggregates, user_top_names
from components.times import to_micros

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir

    from components.params import ProfilesParams
    from components.profiles.facts import Tables


def user_profiles(tables: Tables, cut: datetime, params: ProfilesParams) -> ir.Table:
    """Return a row for each user with an event before the cut: user_id, user_aggregates, user_top_names.

    Anonymous events belong to no user. A list without entries is null.
    """
    events = facts.events(tables, cut, params)
    events = events.filter(events.user_id.notnull())
    kinds = {
        "events": events,
        "reviews": facts.reviews(tables, cut),
        "searches": facts.searches(tables, cut),
        "social": facts.social(tables, cut),
    }
    cut_us, wanted = to_micros(cut), user_aggregates(params)
    table = None
    for kind, rows in kinds.items():
        part = aggregates.compute_aggregates(rows, "user_id", [n for n in wanted if n.facts == kind], cut_us)
        table = part if table is None else aggregates.left_join(table, part, "user_id")
    assert table is not None
    table = aggregates.fill_counts(table, wanted)
    words = facts.search_terms(tables, cut)
    for names in user_top_names():
        rows = events if names.facts == "events" else words
        table = aggregates.left_join(table, aggregates.compute_top_names(rows, names, params, cut_us), "user_id")
    return table.select("user_id", *(n.name for n in wanted), *(n.name for n in user_top_names()))
