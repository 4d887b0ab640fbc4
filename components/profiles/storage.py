"""Stage `profile`: snapshot, split and features -> the files of profiles/:

    users.parquet, items.parquet   rows of users.py and items.py, sorted by id
    profiles.json                  features.ProfileInfo

Computed by an in-process DuckDB within data.memory_gib; equal inputs give equal bytes.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.contracts import TABLES, WINDOWS
from components.data.partitions import partitions
from components.data.tables import SplitInfo, read_info
from components.errors import ContractError
from components.io import write_record
from components.profiles import facts
from components.profiles.definitions import item_aggregates, item_derived_columns, user_aggregates
from components.profiles.features import ProfileInfo, fit_scaling
from components.profiles.items import item_profiles
from components.profiles.users import user_profiles
from components.times import to_datetime

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from components.params import ProfilesParams

ROWS = 50_000  # of a row group, and in memory at once


def write_profiles(
    snapshot: Path, split: Path, features: Path, out: Path, params: ProfilesParams, memory_gib: float
) -> ProfileInfo:
    """Write the files below `out` as of the end of the train window; `features` has the sentiment of unrated reviews.

    With leave_one_out, each user's facts end before the user's first held-out event.
    Raises ContractError when a table is missing or the memory is too small.
    """
    import duckdb
    import ibis

    info = read_info(split)
    cut = to_datetime(info.train_end)
    with TemporaryDirectory(prefix=".spill-", dir=out.parent) as spill:
        backend = ibis.duckdb.connect(memory_limit=f"{memory_gib}GiB", temp_directory=spill)
        try:
            backend.raw_sql(
                "SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET preserve_insertion_order = false"
            )
            tables = drop_held_out(open_tables(backend, snapshot, features), backend, split, info)
            _write(user_profiles(tables, cut, params), "user_id", out / "users.parquet")
            _write(item_profiles(tables, cut, params), "item_id", out / "items.parquet")
        except duckdb.OutOfMemoryException:
            raise ContractError(
                f"profiles: out of memory: data.memory_gib {memory_gib:g} and the disk below {out.parent} are "
                "not enough; raise data.memory_gib, or free disk space"
            ) from None
        finally:
            backend.disconnect()
    profile_info = ProfileInfo(
        cut=info.train_end,
        users=fit_scaling(out / "users.parquet", user_aggregates(params)),
        items=fit_scaling(out / "items.parquet", [*item_aggregates(params), *item_derived_columns()]),
    )
    write_record(out / "profiles.json", profile_info)
    return profile_info


def open_tables(backend: Any, snapshot: Path, features: Path) -> facts.Tables:
    """Return the snapshot's tables, with the sentiment from `encode`; raises ContractError where one is missing."""
    opened = {}
    for table in TABLES:
        paths = [str(path) for path in partitions(snapshot, table)]
        if not paths:
            raise ContractError(f"{snapshot / table}: no Parquet file; run the stage `ingest`")
        opened[table] = backend.read_parquet(paths, hive_partitioning=False)
    scores = features / "reviews.parquet"
    if not scores.exists():
        raise ContractError(f"{scores}: not there; run the stage `encode`")
    opened["reviews"] = _add_sentiment(opened["reviews"], backend.read_parquet(str(scores)))
    return facts.Tables(**opened)


def drop_held_out(tables: facts.Tables, backend: Any, split: Path, info: SplitInfo) -> facts.Tables:
    """Return the tables without each user's rows since the first event that leave_one_out holds out."""
    if info.protocol != "leave_one_out":
        return tables
    paths = [str(split / f"{window}.parquet") for window in WINDOWS[1:]]
    held_out = backend.read_parquet(paths, hive_partitioning=False)
    held_out = held_out.group_by("user_idx").agg(until=held_out["timestamp"].min())
    users = backend.read_parquet(str(split / "users.parquet"))
    ends = held_out.join(users, "user_idx").select("user_id", "until")
    rest = (_drop_since(t, ends) for t in (tables.events, tables.reviews, tables.searches, tables.social))
    return facts.Tables(tables.products, *rest)


def _add_sentiment(reviews: ir.Table, scores: ir.Table) -> ir.Table:
    """Return the reviews with the column sentiment of their text; null where there is a rating."""
    rows = reviews.left_join(scores, "text")
    sentiment = rows.rating.isnull().ifelse(rows.sentiment, None)
    return rows.select(*reviews.columns, sentiment=sentiment)


def _drop_since(table: ir.Table, ends: ir.Table) -> ir.Table:
    rows = table.mutate(at=facts.micros_of(table.timestamp)).left_join(ends, "user_id")
    return rows.filter(rows.until.isnull() | (rows["at"] < rows.until)).select(*table.columns)


def _write(table: ir.Table, key: str, path: Path) -> None:
    import pyarrow.parquet as pq

    reader = table.order_by(key).to_pyarrow_batches(chunk_size=ROWS)
    with pq.ParquetWriter(path, reader.schema, compression="zstd", write_page_checksum=True) as file:
        for batch in reader:
            file.write_batch(batch, row_group_size=ROWS)
