"""Snapshot and split -> the files of profiles/:

    users.parquet, items.parquet   users.py and items.py, sorted by id
    profiles.json                  features.ProfileInfo

Made in an in-process DuckDB within data.memory_gib; equal inputs give equal bytes.
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
from components.profiles.definitions import item_numbers, item_rates, user_numbers
from components.profiles.features import ProfileInfo, fit_scaling
from components.profiles.items import item_profiles
from components.profiles.users import user_profiles
from components.times import to_datetime

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from components.params import ProfilesParams

ROWS = 50_000  # per row group; rows in memory at once


def write_profiles(
    snapshot: Path, split: Path, features: Path, out: Path, params: ProfilesParams, memory_gib: float
) -> ProfileInfo:
    """Write the files below `out` as of the end of the train window; `features` says how reviews without stars sound.

    Where the split is leave-one-out, each user's facts end before the first event that is held out.
    Raises ContractError when a table or the memory is missing.
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
            tables = known(open_tables(backend, snapshot, features), backend, split, info)
            _write(user_profiles(tables, cut, params), "user_id", out / "users.parquet")
            _write(item_profiles(tables, cut, params), "item_id", out / "items.parquet")
        except duckdb.OutOfMemoryException:
            raise ContractError(
                f"profiles: data.memory_gib of {memory_gib:g} GiB and the disk for what does not fit are not enough; "
                "raise data.memory_gib, or free disk space"
            ) from None
        finally:
            backend.disconnect()
    told = ProfileInfo(
        cut=info.train_end,
        users=fit_scaling(out / "users.parquet", user_numbers(params)),
        items=fit_scaling(out / "items.parquet", [*item_numbers(params), *item_rates()]),
    )
    write_record(out / "profiles.json", told)
    return told


def open_tables(backend: Any, snapshot: Path, features: Path) -> facts.Tables:
    """Return the snapshot's tables, and in reviews what `encode` heard; raises ContractError where one is missing."""
    opened = {}
    for table in TABLES:
        paths = [str(path) for path in partitions(snapshot, table)]
        if not paths:
            raise ContractError(f"{snapshot / table}: no Parquet file; run the stage `ingest` first")
        opened[table] = backend.read_parquet(paths, hive_partitioning=False)
    heard = features / "reviews.parquet"
    if not heard.exists():
        raise ContractError(f"{heard}: not there; run the stage `encode` first")
    opened["reviews"] = _heard(opened["reviews"], backend.read_parquet(str(heard)))
    return facts.Tables(**opened)


def known(tables: facts.Tables, backend: Any, split: Path, info: SplitInfo) -> facts.Tables:
    """Return the tables without what leave-one-out holds out: of each user, all since the first such event."""
    if info.protocol != "leave_one_out":
        return tables
    paths = [str(split / f"{window}.parquet") for window in WINDOWS[1:]]
    held = backend.read_parquet(paths, hive_partitioning=False)
    held = held.group_by("user_idx").agg(until=held["timestamp"].min())
    users = backend.read_parquet(str(split / "users.parquet"))
    ends = held.join(users, "user_idx").select("user_id", "until")
    rest = (_until(t, ends) for t in (tables.events, tables.reviews, tables.searches, tables.social))
    return facts.Tables(tables.products, *rest)


def _heard(reviews: ir.Table, said: ir.Table) -> ir.Table:
    """Return the reviews with the column sentiment, null where stars say more."""
    rows = reviews.left_join(said, "text")
    sentiment = rows.rating.isnull().ifelse(rows.sentiment, None)
    return rows.select(*reviews.columns, sentiment=sentiment)


def _until(table: ir.Table, ends: ir.Table) -> ir.Table:
    rows = table.mutate(at=facts.us(table.timestamp)).left_join(ends, "user_id")
    return rows.filter(rows.until.isnull() | (rows["at"] < rows.until)).select(*table.columns)


def _write(table: ir.Table, key: str, path: Path) -> None:
    import pyarrow.parquet as pq

    reader = table.order_by(key).to_pyarrow_batches(chunk_size=ROWS)
    with pq.ParquetWriter(path, reader.schema, compression="zstd", write_page_checksum=True) as file:
        for batch in reader:
            file.write_batch(batch, row_group_size=ROWS)
