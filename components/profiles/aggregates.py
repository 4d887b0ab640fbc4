"""Definitions -> Ibis aggregates, for users and items alike."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from components.profiles import definitions
from components.profiles.definitions import UNIT, Names, Number
from components.profiles.facts import weight
from components.times import DAY_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from components.params import ProfilesParams


def numbers(facts: ir.Table, key: str, wanted: Sequence[Number], cut_us: int) -> ir.Table:
    """Return the key and one column for each wanted number; a row for each key that has a fact, ever."""
    return facts.group_by(key).agg(**{number.name: _aggregate(facts, number, cut_us) for number in wanted})


def joined(left: ir.Table, right: ir.Table, key: str) -> ir.Table:
    """Return left with the columns of right, null where right has no such key."""
    both = left.left_join(right, key)
    return both.select(*left.columns, *(c for c in right.columns if c != key))


def counted(table: ir.Table, wanted: Sequence[Number]) -> ir.Table:
    """Return the table with 0 for those numbers that are never null: no events are a count."""
    counts = [n.name for n in wanted if not n.nullable]
    return table.mutate(**{name: table[name].fill_null(0) for name in counts})


def names(facts: ir.Table, wanted: Names, profiles: ProfilesParams, cut_us: int) -> ir.Table:
    """Return user_id and the wanted list: array<struct<name, share>>, the largest share first, equal ones by name.

    A fact weighs what its event weighs (a search 1), halved for each half-life that it is older than the user's
    newest: that changes no share, and no weight vanishes for one who was long away.
    """
    import ibis

    weighed = facts.mutate(name=facts[wanted.of], base=_base(facts, profiles))
    weighed = weighed.filter(
        weighed.user_id.notnull() & weighed.name.notnull() & weighed.base.notnull(),
        weighed.at >= definitions.start_us(cut_us, profiles.horizon_days),
    ).select("user_id", "at", "name", "base")
    newest = weighed.group_by("user_id").agg(newest=weighed.at.max())
    aged = joined(weighed, newest, "user_id")
    faded = definitions.decay((aged.newest - aged.at) / DAY_US, profiles.half_life_days)
    parts = (
        aged.mutate(part=(aged.base * faded * UNIT + 0.5).floor())
        .group_by("user_id", "name")
        .agg(part=ibis._.part.sum())
    )
    parts = parts.filter(parts.part > 0)
    shares = parts.mutate(share=_float(parts.part) / _float(parts.part.sum().over(group_by="user_id")))
    place = ibis.row_number().over(group_by="user_id", order_by=[shares.part.desc(), shares.name])
    best = shares.mutate(place=place)
    best = best.filter(best.place < profiles.top)
    entry = ibis.struct({"name": best.name, "share": best.share})
    return best.group_by("user_id").agg(**{wanted.name: entry.collect(order_by=best.place)})


def _aggregate(facts: ir.Table, number: Number, cut_us: int) -> ir.Scalar:
    where = _where(facts, number, cut_us)
    if number.how == "count":
        return facts.count(where=where)
    if number.how == "days_since_newest":
        return (cut_us - facts["at"].max(where=where)) / DAY_US
    if number.how == "days_since_oldest":
        return (cut_us - facts["at"].min(where=where)) / DAY_US
    amounts = facts[number.amount]
    total = _float(amounts.sum(where=where)) / UNIT
    return total if number.how == "sum" else total / amounts.count(where=where)


def _where(facts: ir.Table, number: Number, cut_us: int) -> Any:
    """Return the condition of a number on a fact, or None."""
    conditions = []
    if number.events:
        conditions.append(facts.event.isin(number.events))
    if number.days is not None:
        conditions.append(facts["at"] >= definitions.start_us(cut_us, number.days))
    return reduce(and_, conditions) if conditions else None


def _base(facts: ir.Table, profiles: ProfilesParams) -> Any:
    import ibis

    return weight(facts.event, profiles) if "event" in facts.columns else ibis.literal(1.0)


def _float(value: Any) -> Any:
    return value.cast("float64")
