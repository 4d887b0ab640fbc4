"""Profiles of users at a moment, as one Ibis expression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.profiles import aggregates, facts
from components.profiles.definitions import user_names, user_numbers
from components.times import to_micros

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir

    from components.params import ProfilesParams
    from components.profiles.facts import Tables


def user_profiles(tables: Tables, cut: datetime, params: ProfilesParams) -> ir.Table:
    """Return a row for each user with an event before the cut: user_id, then definitions.user_numbers and user_names.

    Anonymous events make no user. A list that would be empty is null.
    """
    events = facts.events(tables, cut, params)
    events = events.filter(events.user_id.notnull())
    kinds = {
        "events": events,
        "reviews": facts.reviews(tables, cut),
        "searches": facts.searches(tables, cut),
        "social": facts.social(tables, cut),
    }
    at, wanted = to_micros(cut), user_numbers(params)
    table = None
    for kind, rows in kinds.items():
        part = aggregates.numbers(rows, "user_id", [n for n in wanted if n.facts == kind], at)
        table = part if table is None else aggregates.joined(table, part, "user_id")
    assert table is not None
    table = aggregates.counted(table, wanted)
    words = facts.search_terms(tables, cut)
    for names in user_names():
        rows = events if names.facts == "events" else words
        table = aggregates.joined(table, aggregates.names(rows, names, params, at), "user_id")
    return table.select("user_id", *(n.name for n in wanted), *(n.name for n in user_names()))
