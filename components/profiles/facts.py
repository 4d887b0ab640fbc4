"""Tables of the snapshot -> facts before the cut, in Ibis: a row per fact, with the amounts that profiles sum.

Rows at or after the cut are filtered here, before any aggregation: this prevents leakage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.contracts import LEVEL
from components.profiles import definitions
from components.profiles.definitions import UNIT
from components.times import to_micros

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir

    from components.params import ProfilesParams


@dataclass(frozen=True)
class Tables:
    """The tables of the contract as Ibis tables.

    reviews may have the additional column `sentiment` in [0, 1]; where it is missing or null, sentiment is
    (rating - 1) / 4, and null without a rating.
    """

    products: ir.Table
    events: ir.Table
    reviews: ir.Table
    searches: ir.Table
    social: ir.Table


def micros_of(time: ir.TimestampValue) -> ir.IntegerValue:
    """Return a timestamp column (UTC) as microseconds since 1970."""
    import ibis

    return time.delta(ibis.timestamp("1970-01-01"), unit="microsecond")


def items(tables: Tables, cut: datetime) -> ir.Table:
    """Return item_id, category, brand, price, price_percentile and listed (us) of the products known before the cut.

    A product whose row is at or after the cut is left out: the snapshot has no earlier version of the row.
    price_percentile, in (0, 1): share of the priced products of the same top category that are cheaper, those of equal
    price counting half; null without price or category.
    """
    import ibis

    rows = tables.products.mutate(listed=micros_of(tables.products.timestamp))
    rows = rows.filter(rows.listed.isnull() | (rows.listed < to_micros(cut)))
    rows = rows.mutate(
        category=rows.category.strip().nullif(""),
        brand=rows.brand.strip().nullif(""),
        top=rows.category.split(LEVEL)[0].strip().nullif(""),
    )
    cheaper = ibis.rank().over(group_by="top", order_by="price")
    equal = rows.price.count().over(group_by=["top", "price"])
    percentile = (cheaper + equal * 0.5) / rows.price.count().over(group_by="top")
    ranked = rows.mutate(percentile=percentile)
    known = ranked.price.notnull() & ranked.top.notnull()
    return ranked.mutate(price_percentile=known.ifelse(ranked.percentile, None)).select(
        "item_id", "category", "brand", "price", "price_percentile", "listed"
    )


def events(tables: Tables, cut: datetime, params: ProfilesParams) -> ir.Table:
    """Return user_id, item_id, session_id, at, event, category, brand and the amounts money, price_percentile, weight.

    An event of an unknown item is a fact too: its category, brand and percentile are null.
    """
    known = items(tables, cut).select("item_id", "category", "brand", "price_percentile")
    rows = _filter_before(tables.events, cut).left_join(known, "item_id")
    cost = definitions.money(rows.price, rows.quantity.fill_null(1.0))
    return rows.select(
        "user_id", "item_id", "session_id", "at", "event", "category", "brand",
        money=to_fixed_point((rows.event == "return").ifelse(-cost, cost)),
        price_percentile=to_fixed_point(rows.price_percentile),
        weight=to_fixed_point(event_weight(rows.event, params)),
    )  # fmt: skip


def reviews(tables: Tables, cut: datetime) -> ir.Table:
    """Return user_id, item_id, at and the amount sentiment."""
    rows = _filter_before(tables.reviews, cut)
    sentiment = definitions.sentiment(rows.rating)
    if "sentiment" in rows.columns:
        sentiment = rows.sentiment.fill_null(sentiment)
    return rows.select("user_id", "item_id", "at", sentiment=to_fixed_point(sentiment))


def searches(tables: Tables, cut: datetime) -> ir.Table:
    """Return user_id, at and query of the searches of known users."""
    rows = _filter_before(tables.searches, cut)
    return rows.filter(rows.user_id.notnull()).select("user_id", "at", "query")


def social(tables: Tables, cut: datetime) -> ir.Table:
    """Return user_id and at of social actions."""
    return _filter_before(tables.social, cut).select("user_id", "at")


def search_terms(tables: Tables, cut: datetime) -> ir.Table:
    """Return user_id, at and terms: a row for each word of each search."""
    rows = searches(tables, cut)
    return rows.select("user_id", "at", terms=_split_terms(rows.query)).unnest("terms")


def event_weight(event: ir.StringValue, params: ProfilesParams) -> ir.FloatingValue:
    """Return the weight of an event type; null where params.weights has none."""
    import ibis

    return ibis.cases(*((event == name, value) for name, value in params.weights.items()))


def to_fixed_point(value: Any) -> ir.DecimalValue:
    """Return a number as a whole multiple of 1/UNIT; live.py rounds in the same way."""
    return (value * UNIT).cast("decimal(38, 0)")


def _filter_before(table: ir.Table, cut: datetime) -> ir.Table:
    """Return the rows before the cut, with the column `at` in microseconds."""
    rows = table.mutate(at=micros_of(table.timestamp))
    return rows.filter(rows.at < to_micros(cut))


def _split_terms(query: ir.StringValue) -> ir.ArrayValue:
    """Return definitions.terms of a column, as a Python function inside DuckDB: batch and live split alike."""
    import ibis
    import pyarrow as pa

    def search_words(texts: Any) -> Any:
        terms = (None if t is None else definitions.terms(t) for t in texts.to_pylist())
        return pa.array(terms, pa.list_(pa.string()))

    words = ibis.udf.scalar.pyarrow(search_words, signature=(("string",), "array<string>"))
    return words(query)
