"""The stores of what users did: nothing acknowledged is lost, nothing counts twice, processes share it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.serving.storage.event_store import EventStore, StoredEvent, tombstone
from components.serving.storage.open_event_store import open_event_store
from components.times import DAY_US
from tests.components.serving.conftest import ROOT

Open = Callable[[], EventStore]
WRITER = """
import sys, pathlib
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.open_event_store import open_event_store
state = open_event_store(sys.argv[2] or None, pathlib.Path(sys.argv[1]), "shop")
for n in range(int(sys.argv[3]), 100_000):
    state.put([StoredEvent(f"u{n % 7}", n, f"i{n}", "view")]).result()
    print(n, flush=True)
"""


@pytest.fixture(params=["file", "database"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Return where the store is; None is a file."""
    return request.getfixturevalue("postgres").database() if request.param == "database" else None


@pytest.fixture
def opened(url: str | None, tmp_path: Path) -> Iterator[Open]:
    """Open the store, each time as another process would."""
    states: list[EventStore] = []

    def open_it() -> EventStore:
        states.append(open_event_store(url, tmp_path, "shop"))
        return states[-1]

    yield open_it
    for state in states:
        state.close()


def told(*at: int, user: str = "ann") -> list[StoredEvent]:
    return [StoredEvent(user, t, f"i{t}", "view") for t in at]


def test_events_come_back_in_order_the_newest_only(opened: Open) -> None:
    state = opened()
    assert state.put(told(3, 1, 2)).result() == 3
    assert state.put(told(4, user="bob")).result() == 1
    assert [e.at for e in state.history("ann", 2)] == [2, 3]
    assert state.history("nobody", 5) == []
    whole = StoredEvent("cid", 7, "i", "purchase", 2.0, 9.5, "s", 3, "r")
    state.put([whole]).result()
    (back,) = state.history("cid", 5)
    assert (back.item_id, back.event, back.quantity, back.price) == ("i", "purchase", 2.0, 9.5)


def test_the_same_event_told_twice_is_one(opened: Open) -> None:
    state = opened()
    assert state.put(told(1, 2)).result() == 2
    assert state.put([*told(2, 3), *told(3)]).result() == 1
    assert state.put([StoredEvent("ann", 3, "i3", "cart")]).result() == 1  # another event of the same moment
    assert len(state.history("ann", 10)) == 4
    assert state.put([]).result() == 0


def test_what_stands_in_two_requests_of_one_commit_is_new_in_the_first(opened: Open) -> None:
    state = opened()
    parts = [[e.row() for e in part] for part in (told(2, 1), told(1, 3), [], told(3))]
    assert state._commit(parts) == [2, 1, 0, 0]


def test_another_process_sees_it_at_once_and_a_restart_too(opened: Open) -> None:
    one, other = opened(), opened()
    one.put(told(1)).result()
    assert [e.item_id for e in other.history("ann", 5)] == ["i1"]
    other.put(told(2)).result()
    one.close()
    other.close()
    assert [e.at for e in opened().history("ann", 5)] == [1, 2]


def test_the_mark_of_a_user_changes_in_every_process_with_the_history(opened: Open) -> None:
    one, other = opened(), opened()
    marks = [other.history_version("ann")]
    for change in (
        lambda: one.put(told(1)).result(),
        lambda: one.put(told(2)).result(),
        lambda: one.delete_user("ann"),
    ):
        change()
        marks.append(other.history_version("ann"))
    assert len(set(marks)) == 4
    before = other.history_version("ann")
    assert one.put(told(1, user="bob")).result() == 1
    assert other.history_version("ann") == before  # bob's place among the marks is another
    assert one.history_version("bob") == other.history_version("bob")


def test_two_processes_that_write_the_same_at_once_count_it_once(opened: Open) -> None:
    states = [opened(), opened()]
    parts = [told(*range(n, n + 40)) for n in range(0, 400, 10)]
    with ThreadPoolExecutor(4) as pool:  # the same events from both, in opposite orders
        asked = [pool.submit(lambda s, p: s.put(p).result(), s, p) for p in parts for s in states]
        asked += [pool.submit(lambda p: states[0].put(p[::-1]).result(), p) for p in parts]
    assert sum(one.result() for one in asked) == 430
    assert len(states[0].history("ann", 1000)) == 430


def test_killed_while_it_writes_it_has_all_that_it_acknowledged(url: str | None, opened: Open, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), url or "", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(300)]
        os.kill(process.pid, signal.SIGKILL)
        said += [int(line) for line in process.stdout.read().split()]
    state = opened()
    kept = {e.at for user in state.find_users("", 100) for e in state.history(user, 10**6)}
    assert set(said) <= kept
    assert len(kept) <= len(said) + 1  # the one that was on its way


def test_forgetting_and_pruning(opened: Open) -> None:
    state = opened()
    state.put([*told(1, 2, 3), *told(1, 5 * DAY_US, user="bob")]).result()
    assert state.delete_user("ann") == 3
    assert state.prune(4) == 1
    assert state.find_users("", 10) == ["bob"]
    assert state.tombstones() == {tombstone("ann")}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(names=st.sets(st.text(min_size=1, max_size=4), max_size=8), prefix=st.text(max_size=2))
def test_users_by_how_they_begin(opened: Open, names: set[str], prefix: str) -> None:
    state = opened()
    for user in state.find_users("", 100):
        state.delete_user(user)
    good = {n for n in names if n.isprintable()}
    state.put([StoredEvent(n, t, "i", "view") for n in good for t in range(3)]).result()
    prefix = "".join(c for c in prefix if c.isprintable())
    wanted = sorted((n for n in good if n.startswith(prefix)), key=lambda n: n.encode())
    assert state.find_users(prefix, 100) == wanted
    assert state.find_users(prefix, 2) == wanted[:2]
    state.close()


def test_stock_believes_the_newest_news(opened: Open) -> None:
    state = opened()
    state.set_stock({"a": 3, "b": 0}, at=10)
    state.set_stock({"a": 5}, at=9)
    state.set_stock({"b": 2}, at=11)
    assert state.stock() == {"a": 3, "b": 2}


def test_notes_and_the_table_since(opened: Open) -> None:
    state = opened()
    assert state.get_meta("snapshot") is None
    state.set_meta("snapshot", "one")
    state.set_meta("snapshot", "two")
    assert opened().get_meta("snapshot") == "two"
    assert state.bulk_insert(told(*range(4500))) == 4500  # several commits
    assert state.bulk_insert(told(4499, 4500)) == 1
    assert state.read_table().num_rows == 4501
    assert sorted(state.read_table(since=4498)["at"].to_pylist()) == [4498, 4499, 4500]
