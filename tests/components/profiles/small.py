"""A shop of a few rows, in memory, and its tables before the cut."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from components import params
from components.contracts import TABLES
from components.params import ProfilesParams
from components.profiles.facts import Tables

ROOT = Path(__file__).parents[3]
START = datetime(2026, 1, 1, tzinfo=UTC)
CUT = START + timedelta(days=100)
NUMBERS = ("quantity", "price", "propensity", "rating", "sentiment")
Rows = Sequence[dict[str, Any]]


def profile_params(**values: Any) -> ProfilesParams:
    """Return the section profiles of params.yaml with values replaced."""
    overrides = [f"profiles.{k}={v}" for k, v in values.items()]
    return params.load(ROOT / "params.yaml", overrides=overrides).profiles


def day(n: float) -> datetime:
    return START + timedelta(days=n)


def arrow(table: str, rows: Rows) -> pa.Table:
    """Return the rows in the types of the snapshot; a column that is not named is null."""
    names = [*TABLES[table], *(["sentiment"] if table == "reviews" and any("sentiment" in r for r in rows) else [])]
    kinds = dict.fromkeys(names, pa.string()) | {n: pa.float64() for n in names if n in NUMBERS}
    kinds |= {n: pa.int64() for n in names if n == "position"}
    kinds["timestamp" if "timestamp" in names else names[0]] = pa.timestamp("us")
    plain = [{k: v.replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in r.items()} for r in rows]
    return pa.Table.from_pylist(plain, schema=pa.schema([(n, kinds[n]) for n in names]))


def shop(products: Rows = (), events: Rows = (), reviews: Rows = (), searches: Rows = (), social: Rows = ()) -> Tables:
    backend = ibis.duckdb.connect(threads=1)
    backend.raw_sql("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    rows = {"products": products, "events": events, "reviews": reviews, "searches": searches}
    rows["social"] = social
    for name, content in rows.items():
        backend.con.register(name, arrow(name, content))
    return Tables(**{name: backend.table(name) for name in rows})


def event(user: str | None, item: str, at: float, kind: str = "view", **more: Any) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "timestamp": day(at), "event": kind, **more}


def product(item: str, price: float | None = None, category: str | None = None, **more: Any) -> dict[str, Any]:
    return {"item_id": item, "price": price, "category": category, **more}


def by_id(table: Any) -> dict[str, dict[str, Any]]:
    """Return the rows of an expression by their first column."""
    rows = table.to_pyarrow().to_pylist()
    return {row[table.columns[0]]: row for row in rows}


def file(table: Any) -> bytes:
    """Return an expression as the bytes of a Parquet file, sorted by its first column."""
    sink = io.BytesIO()
    pq.write_table(table.order_by(table.columns[0]).to_pyarrow(), sink)
    return sink.getvalue()


LATER = st.floats(0, 50).map(lambda n: CUT + timedelta(days=n))
USERS, ITEMS = st.sampled_from(["ann", "bob", "new", None]), st.sampled_from(["pan", "tea", "new"])
FUTURE = st.fixed_dictionaries({
    "products": st.lists(st.fixed_dictionaries({
        "item_id": st.sampled_from(["x", "y"]), "timestamp": LATER, "price": st.floats(0, 90),
        "category": st.just("Kitchen > Pans")}), max_size=2, unique_by=lambda r: str(r["item_id"])),
    "events": st.lists(st.fixed_dictionaries({
        "user_id": USERS, "item_id": ITEMS, "timestamp": LATER, "price": st.floats(0, 9),
        "event": st.sampled_from(["view", "purchase", "return"])}), max_size=4),
    "reviews": st.lists(st.fixed_dictionaries({
        "user_id": USERS, "item_id": ITEMS, "timestamp": LATER, "rating": st.floats(1, 5)}), max_size=3),
    "searches": st.lists(st.fixed_dictionaries({
        "user_id": USERS, "timestamp": LATER, "query": st.text(max_size=5)}), max_size=3),
    "social": st.lists(st.fixed_dictionaries({
        "user_id": st.sampled_from(["ann", "bob", "new"]), "timestamp": LATER, "action": st.just("like")}), max_size=3),
})  # fmt: skip
