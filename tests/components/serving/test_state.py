"""The store of what users did: nothing acknowledged is lost, nothing counts twice, processes share it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ContractError
from components.profiles.definitions import DAY_US
from components.serving.state import Happened, SqliteState

from .conftest import ROOT

WRITER = """
import sys, pathlib
from components.serving.state import Happened, SqliteState
state = SqliteState(pathlib.Path(sys.argv[1]))
for n in range(100_000):
    state.put([Happened(f"u{n % 7}", n, f"i{n}", "view")]).result()
    print(n, flush=True)
"""


def told(*at: int, user: str = "ann") -> list[Happened]:
    return [Happened(user, t, f"i{t}", "view") for t in at]


def test_events_come_back_in_order_the_newest_only(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db")
    assert state.put(told(3, 1, 2)).result() == 3
    assert state.put(told(4, user="bob")).result() == 1
    assert [e.at for e in state.history("ann", 2)] == [2, 3]
    assert state.history("nobody", 5) == []
    state.close()


def test_the_same_event_told_twice_is_one(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db")
    assert state.put(told(1, 2)).result() == 2
    assert state.put(told(2, 3)).result() == 1
    assert state.put([Happened("ann", 3, "i3", "cart")]).result() == 1  # another event of the same moment
    assert len(state.history("ann", 10)) == 4
    state.close()


def test_another_process_sees_it_at_once_and_a_restart_too(tmp_path: Path) -> None:
    one, other = SqliteState(tmp_path / "state.db"), SqliteState(tmp_path / "state.db")
    one.put(told(1)).result()
    assert [e.item_id for e in other.history("ann", 5)] == ["i1"]
    other.put(told(2)).result()
    one.close()
    other.close()
    assert [e.at for e in SqliteState(tmp_path / "state.db").history("ann", 5)] == [1, 2]


def test_killed_while_it_writes_it_has_all_that_it_acknowledged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "state.db")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(300)]
        os.kill(process.pid, signal.SIGKILL)
        said += [int(line) for line in process.stdout.read().split()]
    state = SqliteState(tmp_path / "state.db")
    kept = {e.at for user in state.users("", 100) for e in state.history(user, 10**6)}
    assert set(said) <= kept
    assert len(kept) <= len(said) + 1  # the one that was on its way


def test_forgetting_and_pruning(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db")
    state.put([*told(1, 2, 3), *told(1, 5 * DAY_US, user="bob")]).result()
    assert state.forget("ann") == 3
    assert state.prune(4) == 1
    assert state.users("", 10) == ["bob"]
    assert state.forgotten() == {state.trace("ann")}
    state.close()


@given(st.sets(st.text(min_size=1, max_size=4), max_size=8), st.text(max_size=2))
def test_users_by_how_they_begin(tmp_path_factory: pytest.TempPathFactory, names: set[str], prefix: str) -> None:
    good = {n for n in names if n.isprintable()}
    state = SqliteState(tmp_path_factory.mktemp("state") / "state.db")
    state.put([Happened(n, t, "i", "view") for n in good for t in range(3)]).result()
    prefix = "".join(c for c in prefix if c.isprintable())
    wanted = sorted((n for n in good if n.startswith(prefix)), key=lambda n: n.encode())
    assert state.users(prefix, 100) == wanted
    assert state.users(prefix, 2) == wanted[:2]
    state.close()


def test_stock_believes_the_newest_news(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db")
    state.set_stock({"a": 3, "b": 0}, at=10)
    state.set_stock({"a": 5}, at=9)
    state.set_stock({"b": 2}, at=11)
    assert state.stock() == {"a": 3, "b": 2}
    state.close()


def test_a_file_of_another_kind_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database " * 100)
    with pytest.raises(ContractError, match="move the file away"):
        SqliteState(tmp_path / "state.db")
