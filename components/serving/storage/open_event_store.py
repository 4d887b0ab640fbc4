"""Which event store is used: PostgreSQL where there is an address, else a SQLite file."""

from functools import partial
from pathlib import Path

from components.errors import ContractError
from components.serving.storage.erasure_key import KEY_FILE, load_key
from components.serving.storage.event_store import EventStore
from components.serving.storage.event_store_sqlite import SqliteEventStore


def open_event_store(
    url: str | None, folder: Path, shop: str, connections: int = 1, secret: str | None = None
) -> EventStore:
    """Return the store: a PostgreSQL database where there is a url, else a SQLite file in the folder.

    connections: reads of the database at once, at most. secret: key of the tombstones of deleted users; None: in a file
    beside the folder, so that a copy of the folder does not contain it. Raises ContractError where the file is no event
    store, or the driver is not installed; a database that cannot be reached raises StoreError at its first use.
    """
    key = partial(load_key, folder.parent / KEY_FILE, secret)
    if url is None:
        return SqliteEventStore(folder / "state.db", key)
    try:
        from components.serving.storage.event_store_postgres import PostgresEventStore
    except ImportError as error:
        raise ContractError(
            f"CAROUSEL_EVENT_STORE_URL names a PostgreSQL database, but its driver cannot be imported ({error}); run "
            "pip install -c constraints.txt -e '.[servers]'"
        ) from error
    return PostgresEventStore(url, shop, connections, key)
