"""Which store of events is used: PostgreSQL where there is an address, else a file."""

from pathlib import Path

from components.serving.storage.event_store import EventStore
from components.serving.storage.event_store_postgres import PostgresEventStore
from components.serving.storage.event_store_sqlite import SqliteEventStore


def open_event_store(url: str | None, folder: Path, shop: str) -> EventStore:
    """Return the store: a PostgreSQL database where there is a url, else a SQLite file in the folder.

    Raises ContractError where the file is no event store; an unreachable database raises StoreError at its first use.
    """
    return SqliteEventStore(folder / "state.db") if url is None else PostgresEventStore(url, shop)
