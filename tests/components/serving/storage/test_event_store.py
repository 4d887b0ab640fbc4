"""Both event stores: nothing acknowledged is lost or counted twice, processes share them, version 0.1 is upgraded."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import ContractError
from components.serving.storage.commit_queue import Batch
from components.serving.storage.event_store import CLOCK_SKEW_US, EventStore, StoredEvent
from components.times import DAY_US, FIRST_TIME, to_micros
from tests.components.serving.support import ROOT

from .support import WRITER, Open, make_events, make_postgres_0_1, make_sqlite_0_1


def test_the_newest_events_come_back_oldest_first(opened: Open) -> None:
    store = opened()
    assert store.put(make_events(3, 1, 2)).result() == 3
    assert store.put(make_events(4, user="bob")).result() == 1
    assert [e.at for e in store.history("ann", 2)] == [2, 3]
    assert store.history("nobody", 5) == []
    full = StoredEvent("cid", 7, "i", "purchase", 2.0, 9.5, "s", 3, "r")
    store.put([full]).result()
    (back,) = store.history("cid", 5)
    assert (back.item_id, back.event, back.quantity, back.price) == ("i", "purchase", 2.0, 9.5)


def test_the_same_event_twice_is_stored_once(opened: Open) -> None:
    store = opened()
    assert store.put(make_events(1, 2)).result() == 2
    assert store.put([*make_events(2, 3), *make_events(3)]).result() == 1
    assert store.put([StoredEvent("ann", 3, "i3", "cart")]).result() == 1  # another event of the same microsecond
    assert len(store.history("ann", 10)) == 4
    assert store.put([]).result() == 0


def test_an_event_in_two_requests_of_one_commit_is_new_in_the_first(opened: Open) -> None:
    store = opened()
    parts = (make_events(2, 1), make_events(1, 3), [], make_events(3))
    assert store._commit([Batch([e.row() for e in part]) for part in parts]) == [2, 1, 0, 0]


def test_events_are_visible_in_another_process_and_after_a_restart(opened: Open) -> None:
    one, other = opened(), opened()
    one.put(make_events(1)).result()
    assert [e.item_id for e in other.history("ann", 5)] == ["i1"]
    other.put(make_events(2)).result()
    one.close()
    other.close()
    assert [e.at for e in opened().history("ann", 5)] == [1, 2]


def test_the_history_version_changes_in_every_process_with_the_history(opened: Open) -> None:
    one, other = opened(), opened()
    versions = [other.history_version("ann")]
    for change in (
        lambda: one.put(make_events(1)).result(),
        lambda: one.put(make_events(2)).result(),
        lambda: one.delete_user("ann"),
    ):
        change()
        versions.append(other.history_version("ann"))
    assert len(set(versions)) == 4
    before = other.history_version("ann")
    assert one.put(make_events(1, user="bob")).result() == 1
    assert other.history_version("ann") == before  # bob has another slot
    assert one.history_version("bob") == other.history_version("bob")


def test_two_processes_that_write_the_same_at_once_count_it_once(opened: Open) -> None:
    stores = [opened(), opened()]
    parts = [make_events(*range(n, n + 40)) for n in range(0, 400, 10)]
    with ThreadPoolExecutor(4) as pool:  # the same events from both, in opposite orders
        counts = [pool.submit(lambda s, p: s.put(p).result(), s, p) for p in parts for s in stores]
        counts += [pool.submit(lambda p: stores[0].put(p[::-1]).result(), p) for p in parts]
    assert sum(count.result() for count in counts) == 430
    assert len(stores[0].history("ann", 1000)) == 430


def test_a_process_killed_while_writing_loses_no_acknowledged_event(
    url: str | None, opened: Open, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), url or "", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(300)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split()]
    store = opened()
    stored = {e.at for user in store.find_users("", 100) for e in store.history(user, 10**6)}
    assert set(acknowledged) <= stored
    assert len(stored) <= len(acknowledged) + 1  # the one in flight


def test_deleted_users_and_old_events_are_removed(opened: Open) -> None:
    store = opened()
    store.put([*make_events(1, 2, 3), *make_events(1, 5 * DAY_US, user="bob")]).result()
    assert store.delete_user("ann") == 3
    assert store.prune(4, 5 * DAY_US, 0.5) == 1
    assert store.find_users("", 10) == ["bob"]
    assert store.tombstones() == {store.tombstone_of("ann")}


def test_one_event_of_a_wrong_clock_does_not_remove_the_others(opened: Open) -> None:
    store, now, future = opened(), 1_000 * DAY_US, 30_000 * DAY_US
    store.put([*make_events(*range(now - 50, now)), *make_events(now - 40 * DAY_US, future, user="bob")]).result()
    assert store.prune(30, now, 0.5) == 1
    assert [len(store.history(user, 99)) for user in ("ann", "bob")] == [50, 1]


def test_a_wrong_clock_of_the_machine_removes_nothing(opened: Open) -> None:
    store, now = opened(), 1_000 * DAY_US
    store.put(make_events(*range(now - 50, now), now + 400 * DAY_US)).result()
    with pytest.raises(ContractError, match=r"50 of 51 events .*nothing was deleted.*max_prune_share=1"):
        store.prune(30, now + 399 * DAY_US, 0.5)
    assert len(store.history("ann", 99)) == 51
    assert store.prune(30, now + 399 * DAY_US, 1) == 50


def test_a_history_up_to_now_is_without_events_of_wrong_clocks(opened: Open) -> None:
    store, first = opened(), to_micros(FIRST_TIME)
    now = first + 10_000 * DAY_US
    late = now + CLOCK_SKEW_US
    store.put(make_events(-(10**15), first - 1, first, now, late, late + 1, 3 * now)).result()
    assert [e.at for e in store.history("ann", 99, now)] == [first, now, late]
    assert [e.at for e in store.history("ann", 2, now)] == [now, late]
    assert len(store.history("ann", 99)) == 7
    found = store.item_histories(["ann", "nobody", "ann"], 2, now)
    assert found == [[(e.at, e.item_id, e.event) for e in store.history("ann", 2, now)], [], found[0]]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(names=st.sets(st.text(min_size=1, max_size=4), max_size=8), prefix=st.text(max_size=2))
def test_users_by_prefix(opened: Open, names: set[str], prefix: str) -> None:
    store = opened()
    for user in store.find_users("", 100):
        store.delete_user(user)
    printable = {n for n in names if n.isprintable()}
    store.put([StoredEvent(n, t, "i", "view") for n in printable for t in range(3)]).result()
    prefix = "".join(c for c in prefix if c.isprintable())
    wanted = sorted((n for n in printable if n.startswith(prefix)), key=lambda n: n.encode())
    assert store.find_users(prefix, 100) == wanted
    assert store.find_users(prefix, 2) == wanted[:2]
    store.close()


def test_an_older_stock_does_not_replace_a_newer_one(opened: Open) -> None:
    store = opened()
    store.set_stock({"a": 3, "b": 0}, at=10)
    store.set_stock({"a": 5}, at=9)
    store.set_stock({"b": 2}, at=11)
    assert store.stock() == {"a": 3, "b": 2}


def test_a_stock_of_a_wrong_clock_is_replaced(opened: Open) -> None:
    store, now = opened(), 1_000 * DAY_US
    store.set_stock({"a": 0, "b": 0}, at=now + 365 * DAY_US)
    store.set_stock({"b": 1}, at=now + 365 * DAY_US - CLOCK_SKEW_US)
    store.set_stock({"a": 7}, at=now)
    assert store.stock() == {"a": 7, "b": 0}


def test_metadata_and_the_table_since(opened: Open) -> None:
    store = opened()
    assert store.get_meta("snapshot") is None
    store.set_meta("snapshot", "one")
    store.set_meta("snapshot", "two")
    assert opened().get_meta("snapshot") == "two"
    assert store.bulk_insert(make_events(*range(4500))) == 4500  # several commits
    assert store.bulk_insert(make_events(4499, 4500)) == 1
    assert store.read_table().num_rows == 4501
    assert sorted(store.read_table(since=4498)["at"].to_pylist()) == [4498, 4499, 4500]


def test_events_that_may_not_measure_are_not_in_the_table(opened: Open) -> None:
    store = opened()
    stated = (None, "recommend", "recommend,measure")
    store.put([make_events(n)[0]._replace(consent=consent) for n, consent in enumerate(stated)]).result()
    assert sorted(store.read_table()["at"].to_pylist()) == [0, 2]
    assert [event.at for event in store.history("ann", 5)] == [0, 1, 2]


def test_a_store_of_version_0_1_is_upgraded_once_by_processes_that_open_it_together(
    url: str | None, opened: Open, tmp_path: Path
) -> None:
    if url is None:
        make_sqlite_0_1(tmp_path / "state.db")
    else:
        make_postgres_0_1(url)
    barrier = Barrier(6)

    def open_and_write(n: int) -> EventStore:
        barrier.wait()
        store = opened()
        store.put(make_events(10 + n)).result()
        return store

    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(open_and_write, range(6)))
    for store in (*stores, opened()):
        assert [e.at for e in store.history("ann", 20)] == [1, 2, *range(10, 16)]
        assert store.stock() == {"a": 3}
        assert store.get_meta("snapshot") == "digest"
        assert store.tombstones() == {store.tombstone_of("bob")}
    stores[0].set_stock({"b": 1}, at=1)
    assert stores[1].stock() == {"a": 3, "b": 1}
    versions = {store.history_version("ann") for store in stores}
    assert stores[0].delete_user("ann") == 8
    versions |= {store.history_version("ann") for store in stores}
    assert len(versions) == 2  # before and after, the same in all
    if url is None:
        assert {path.name for path in tmp_path.iterdir()} >= {"state.db", "state.db-lock", "state.db-versions"}
        assert not list(tmp_path.glob("*-marks"))


def test_users_are_listed_page_by_page(opened: Open) -> None:
    store = opened()
    assert (store.list_users("", 5), store.count_users()) == ([], 0)
    names = ["Z", "a", "ann", "bob", "é", "中"]  # in the order of their UTF-8 bytes
    for name in names:
        store.put(make_events(1, 2, user=name)).result()
    pages, after = [], ""
    while page := store.list_users(after, 4):
        pages.append(page)
        after = page[-1]
    assert pages == [names[:4], names[4:]]
    assert store.count_users() == 6
