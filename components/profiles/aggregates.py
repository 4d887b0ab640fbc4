"""Evaluates definitions.py as Ibis expressions, for users and items."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from components.profiles import definitions
from components.profiles.definitions import UNIT, Aggregate, TopNames
from components.profiles.facts import event_weight
from components.times import DAY_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from components.params import ProfilesParams


def compute_aggregates(facts: ir.Table, key: str, wanted: Sequence[Aggregate], cut_us: int) -> ir.Table:
    """Return the key and a column per wanted aggregate; a row for each key with at least one fact."""
    return facts.group_by(key).agg(**{number.name: _aggregate(facts, number, cut_us) for number in wanted})


def left_join(left: ir.Table, right: ir.Table, key: str) -> ir.Table:
    """Return the columns of left and right; those of right are null where it has no such key."""
    both = left.left_join(right, key)
    return both.select(*left.columns, *(c for c in right.columns if c != key))


def fill_counts(table: ir.Table, wanted: Sequence[Aggregate]) -> ir.Table:
    """Return the table with 0 in place of null in columns that are not nullable, such as counts."""
    counts = [n.name for n in wanted if not n.nullable]
    return table.mutate(**{name: table[name].fill_null(0) for name in counts})


def compute_top_names(facts: ir.Table, wanted: TopNames, profiles: ProfilesParams, cut_us: int) -> ir.Table:
    """Return user_id and the wanted list: array<struct<name, share>>, by descending share, ties by name.

    The weight of a fact is that of its event (1 for a search), halved for each half-life between it and the user's
    newest fact. Ages relative to the cut would give the same shares, but underflow for users who were long inactive.
    """
    import ibis

    weighted = facts.mutate(name=facts[wanted.attribute], weight=_weight_of(facts, profiles))
    weighted = weighted.filter(
        weighted.user_id.notnull() & weighted.name.notnull() & weighted.weight.notnull(),
        weighted.at >= definitions.window_start(cut_us, profiles.horizon_days),
    ).select("user_id", "at", "name", "weight")
    newest = weighted.group_by("user_id").agg(newest=weighted.at.max())
    aged = left_join(weighted, newest, "user_id")
    decay = definitions.decay((aged.newest - aged.at) / DAY_US, profiles.half_life_days)
    parts = (
        aged.mutate(part=(aged.weight * decay * UNIT + 0.5).floor())
        .group_by("user_id", "name")
        .agg(part=ibis._.part.sum())
    )
    parts = parts.filter(parts.part > 0)
    shares = parts.mutate(share=_to_float(parts.part) / _to_float(parts.part.sum().over(group_by="user_id")))
    position = ibis.row_number().over(group_by="user_id", order_by=[shares.part.desc(), shares.name])
    best = shares.mutate(position=position)
    best = best.filter(best.position < profiles.top)
    entry = ibis.struct({"name": best.name, "share": best.share})
    return best.group_by("user_id").agg(**{wanted.name: entry.collect(order_by=best.position)})


def _aggregate(facts: ir.Table, number: Aggregate, cut_us: int) -> ir.Scalar:
    where = _condition(facts, number, cut_us)
    if number.how == "count":
        return facts.count(where=where)
    if number.how == "days_since_newest":
        return (cut_us - facts["at"].max(where=where)) / DAY_US
    if number.how == "days_since_oldest":
        return (cut_us - facts["at"].min(where=where)) / DAY_US
    amounts = facts[number.amount]
    total = _to_float(amounts.sum(where=where)) / UNIT
    return total if number.how == "sum" else total / amounts.count(where=where)


def _condition(facts: ir.Table, number: Aggregate, cut_us: int) -> Any:
    """Return the condition of an aggregate on a fact, or None."""
    conditions = []
    if number.events:
        conditions.append(facts.event.isin(number.events))
    if number.days is not None:
        conditions.append(facts["at"] >= definitions.window_start(cut_us, number.days))
    return reduce(and_, conditions) if conditions else None


def _weight_of(facts: ir.Table, profiles: ProfilesParams) -> Any:
    import ibis

    return event_weight(facts.event, profiles) if "event" in facts.columns else ibis.literal(1.0)


def _to_float(value: Any) -> Any:
    return value.cast("float64")
