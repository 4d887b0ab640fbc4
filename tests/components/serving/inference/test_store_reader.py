"""Reads of the store: the request's own history first, a bounded queue, the last stock read while the store fails."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.serving.inference.errors import OverloadError
from components.serving.inference.histories import HistoryRow
from components.serving.inference.store_reader import StoreReader
from components.serving.schemas import Filters, HistoryEvent, UserOrHistory
from components.serving.storage.event_store import StoredEvent, StoreError
from components.serving.storage.event_store_sqlite import SqliteEventStore

START = 1_700_000_000_000_000
IN_STOCK = Filters(in_stock=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteEventStore]:
    store = SqliteEventStore(tmp_path / "state.db")
    store.put([StoredEvent("ann", START + n, f"sku-{n}", "view") for n in (1, 2, 3)]).result(60)
    yield store
    store.close()


def test_the_history_of_the_request_comes_before_the_stored_one(store: SqliteEventStore) -> None:
    reader = StoreReader(store, 1, 1)
    body = UserOrHistory(user_id="ann", history=[HistoryEvent(item_id="sku-9")])
    assert asyncio.run(reader.rows(body, 2)) == [HistoryRow("sku-9", None, None)]
    stored = asyncio.run(reader.rows(UserOrHistory(user_id="ann"), 2, "sku-7"))
    assert [(row.item_id, row.event) for row in stored] == [("sku-2", "view"), ("sku-3", "view"), ("sku-7", "view")]
    assert [row.at for row in stored] == [START + 2, START + 3, START + 3]
    assert asyncio.run(reader.rows(UserOrHistory(), 2)) == []


def test_the_last_stock_read_is_used_while_the_store_is_unavailable(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> dict[str, float]:
        raise StoreError("unavailable")

    store.set_stock({"sku-1": 0, "sku-2": 5}, 1)
    reader = StoreReader(store, 1, 1)
    assert asyncio.run(reader.out_of_stock(Filters())) == frozenset()
    assert asyncio.run(reader.out_of_stock(IN_STOCK)) == {"sku-1"}
    monkeypatch.setattr(store, "stock", fail)
    reader._out_of_stock.seconds = 0  # its time to live is over
    assert asyncio.run(reader.out_of_stock(IN_STOCK)) == {"sku-1"}
    with pytest.raises(StoreError):
        asyncio.run(StoreReader(store, 1, 1).out_of_stock(IN_STOCK))


def test_reads_of_a_remote_store_wait_in_a_bounded_queue(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteEventStore, "is_local", False)

    async def run() -> list[bool]:
        reader, may_end = StoreReader(store, 1, 1), threading.Event()
        admitted = [asyncio.create_task(reader.read_store(lambda: may_end.wait(60))) for _ in range(2)]
        while not reader._limiter.statistics().tasks_waiting:
            await asyncio.sleep(0)
        with pytest.raises(OverloadError):
            await reader.read_store(lambda: True)
        may_end.set()
        return await asyncio.gather(*admitted)

    assert asyncio.run(run()) == [True, True]
