"""The table of an export in an SQL database: SQLite, or PostgreSQL. It is replaced in one transaction.

Readers see the earlier lists or the new ones, never a mixture. NAME_manifest beside it holds the manifest, as one row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from sqlalchemy import Column, Float, Integer, MetaData, Table, Text, create_engine, inspect, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from components.errors import ContractError
from components.offline.files import BATCH_ROWS, READ_COLUMNS, READ_SCHEMA
from components.redact import redact

TABLE = re.compile(r"[a-z_][a-z0-9_]{0,39}")
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
KINDS = {pa.string(): Text, pa.int32(): Integer, pa.float32(): Float}


class ListTable:
    """A table of lists, by the URL of its database and its name."""

    def __init__(self, address: str, name: str) -> None:
        """address: with password, as SQLAlchemy reads it. Raises ContractError for another database or name."""
        if not TABLE.fullmatch(name):
            raise ContractError(f"table {name!r}: expected at most 40 of a-z, 0-9 and _, not beginning with a digit")
        self.name, self.staging = name, f"{name}_new"
        self.url = _parse(address)
        self.where = f"{self.url.render_as_string(hide_password=True)}, table {name}"

    def replace(self, tables: Iterable[pa.Table], manifest: Callable[[], str]) -> None:
        """Replace the table by the rows of the tables (parts.SCHEMA, at least one), and its manifest.

        manifest: called after the last table. Raises ContractError.
        """
        with self._engine() as engine:
            metadata = MetaData()
            staging: Table | None = None
            for rows in tables:
                if staging is None:
                    columns = [Column(field.name, KINDS[field.type]) for field in rows.schema]
                    staging = Table(self.staging, metadata, *columns)
                    staging.drop(engine, checkfirst=True)
                    staging.create(engine)
                if len(rows):
                    with engine.begin() as connection:
                        connection.execute(staging.insert(), rows.to_pylist())
            with engine.begin() as connection:
                self._swap(connection, manifest())

    def read(self) -> Iterator[pa.Table]:
        """Yield list_id, user_id, position and item_id, BATCH_ROWS rows at a time. Raises ContractError."""
        with self._engine() as engine, engine.connect() as connection:
            rows = connection.execution_options(yield_per=BATCH_ROWS).execute(
                text(f"SELECT {', '.join(READ_COLUMNS)} FROM {self.name}")  # noqa: S608  both are checked names
            )
            for part in rows.mappings().partitions():
                yield pa.Table.from_pylist([dict(row) for row in part], READ_SCHEMA)

    def read_manifest(self) -> str | None:
        """Return the manifest; None where there is no table. Raises ContractError."""
        with self._engine() as engine, engine.connect() as connection:
            if not inspect(engine).has_table(f"{self.name}_manifest"):
                return None
            return str(connection.execute(text(f"SELECT manifest FROM {self.name}_manifest")).scalar_one())  # noqa: S608

    def _swap(self, connection: Any, manifest: str) -> None:
        run = connection.exec_driver_sql
        if connection.dialect.name == "sqlite":
            run("BEGIN IMMEDIATE")  # else the driver commits before each statement that changes a table
        run(f"DROP TABLE IF EXISTS {self.name}")
        run(f"ALTER TABLE {self.staging} RENAME TO {self.name}")
        run(f"DROP TABLE IF EXISTS {self.name}_manifest")
        run(f"CREATE TABLE {self.name}_manifest (manifest TEXT NOT NULL)")
        insert = f"INSERT INTO {self.name}_manifest VALUES (:manifest)"  # noqa: S608
        connection.execute(text(insert), {"manifest": manifest})

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        """Yield the engine; its errors become ContractError, without rows: they hold ids of users."""
        engine: Engine | None = None
        try:
            engine = create_engine(self.url, hide_parameters=True)
            yield engine
        except (SQLAlchemyError, ImportError) as error:
            original = getattr(error, "orig", None) or error
            first = next(iter(redact(str(original)).strip().splitlines()), "")[:300]
            raise ContractError(f"{self.where}: {first}; the earlier lists, if any, are unchanged") from None
        finally:
            if engine is not None:
                engine.dispose()


def is_address(target: str) -> bool:
    """Return whether the target of an export is the URL of a database, not a file."""
    return "://" in target


def _parse(address: str) -> URL:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ContractError("expected the URL of a database, such as sqlite:///lists.db") from None
    dialect = url.drivername.partition("+")[0]
    if dialect not in DRIVERS:
        raise ContractError(f"{dialect}: expected sqlite or postgresql; other databases can read a Parquet or CSV file")
    return url.set(drivername=DRIVERS[dialect])
