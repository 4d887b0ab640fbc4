"""Reads of the event store by requests: histories and stock, without blocking the event loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from components.serving.inference.errors import OverloadError
from components.serving.inference.histories import HistoryRow, to_rows
from components.serving.schemas import Filters, UserOrHistory
from components.serving.storage.event_store import EventStore, StoredEvent, StoreError
from components.serving.storage.ttl_cache import TtlCached
from components.times import now_micros

T = TypeVar("T")
STOCK_TTL_S = 2.0
STORE_UNAVAILABLE = "the event store is unavailable"


class StoreReader:
    """Reads of the store by requests; a remote store is read in a bounded number of threads with a bounded queue."""

    def __init__(self, store: EventStore, max_connections: int, max_queue: int) -> None:
        """max_connections: reads of a remote store at once; max_queue: reads that may wait for one."""
        self.store, self.max_queue = store, max_queue
        self._limiter = anyio.CapacityLimiter(max_connections)
        self._out_of_stock = TtlCached(STOCK_TTL_S, self._read_out_of_stock)

    async def read_store(self, read: Callable[[], T]) -> T:
        """Return what `read` returns. Raises StoreError, OverloadError."""
        if self.store.is_local:
            return read()
        if self._limiter.statistics().tasks_waiting >= self.max_queue:
            raise OverloadError
        return await anyio.to_thread.run_sync(read, limiter=self._limiter)

    async def history_version(self, user_id: str) -> int:
        """Return the number that changes with each event of the user. Raises StoreError."""
        return await self.read_store(partial(self.store.history_version, user_id))

    async def history(self, user_id: str, n_newest: int) -> list[StoredEvent]:
        """Return the newest events of a user up to now, oldest first. Raises StoreError."""
        return await self.read_store(partial(self.store.history, user_id, n_newest, now_micros()))

    async def rows(self, body: UserOrHistory, n_newest: int, context_item: str | None = None) -> list[HistoryRow]:
        """Return the history of the request where it has one, else that of its user. Raises StoreError."""
        if body.history:
            return to_rows(body.history, context_item)
        if body.user_id is None:
            return to_rows([], context_item)
        return to_rows(await self.history(body.user_id, n_newest), context_item)

    async def out_of_stock(self, filters: Filters) -> frozenset[str]:
        """Return the item_ids that are out of stock; none where the filters do not ask for products in stock.

        Where the store is unavailable, the last stock read is used. Raises StoreError where it was never read.
        """
        if not filters.in_stock:
            return frozenset()
        try:
            return await self.read_store(self._out_of_stock)
        except StoreError:
            if self._out_of_stock.stale is None:
                raise
            return self._out_of_stock.stale

    def _read_out_of_stock(self) -> frozenset[str]:
        return frozenset(item_id for item_id, quantity in self.store.stock().items() if quantity <= 0)
