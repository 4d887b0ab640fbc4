"""Which event store is used: PostgreSQL where there is an address, else a SQLite file."""

import logging
from functools import partial
from pathlib import Path

from components.errors import ContractError
from components.params import Params
from components.serving.storage.event_store import EventStore
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.serving.storage.import_snapshot import import_snapshot
from components.settings import Settings
from components.times import now_micros
from components.tombstones import KEY_FILE, load_key

log = logging.getLogger("serving")
KEY_ID = "erasure_key_id"  # in `metadata`: of the process that was started last


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


def prepare_event_store(settings: Settings, params: Params, snapshot: Path | None) -> EventStore:
    """Return the shop's store, created where there is none, with the snapshot's events, without those that are too old.

    settings: resolved; snapshot: its events are imported, if it exists. A service may use the store meanwhile.
    """
    shop = params.release.name
    store = open_event_store(
        settings.event_store_address, settings.shop(shop) / "serving", shop, secret=settings.erasure_secret
    )
    store.prepare_erasures()
    warn_of_another_secret(store)
    if snapshot is not None:
        import_snapshot(store, snapshot)
    try:
        removed = store.prune(params.serving.event_retention_days, now_micros(), params.serving.max_prune_share)
        if removed:
            log.info("%d events older than serving.event_retention_days were removed", removed)
    except ContractError as error:
        log.error("%s", error)
    return store


def warn_of_another_secret(store: EventStore) -> None:
    """Log where another machine has another key: it does not recognise the idempotency keys of this one."""
    before, now = store.get_meta(KEY_ID), store.secret_id()
    if before != now:
        store.set_meta(KEY_ID, now)
    if before not in (None, now):
        log.warning(
            "event store: a service was started with another CAROUSEL_ERASURE_KEY before; expected the same on all "
            "machines. Until then, a request with an Idempotency-Key that is repeated on another machine counts twice"
        )
