"""The database goes away, and comes back: nothing acknowledged is lost, and who is asked meanwhile says so at once."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import ContractError
from components.serving.storage.event_store import StoredEvent, StoreError
from components.serving.storage.event_store_postgres import AWAY_S
from components.serving.storage.open_event_store import open_event_store
from tests.components.serving.conftest import ROOT
from tests.components.serving.postgres import Postgres
from tests.components.serving.storage.test_event_store import WRITER, told


@pytest.fixture
def own(postgres: Postgres) -> Iterator[Postgres]:
    """Return a server that the test may kill; it runs again afterwards."""
    yield postgres
    postgres.kill()
    postgres.start()


def test_nothing_is_asked_before_it_is_needed_and_an_address_without_a_server_says_so_soon(tmp_path: Path) -> None:
    pytest.importorskip("psycopg2")
    state = open_event_store("postgresql://postgres@127.0.0.1:1/none", tmp_path, "shop")
    with pytest.raises(StoreError, match="CAROUSEL_STATE_URL"):
        state.history("ann", 5)
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(StoreError, match="a moment ago"):
            state.history_version("ann")
    assert time.monotonic() - began < AWAY_S
    with pytest.raises(StoreError):
        state.put([StoredEvent("ann", 1, "i", "view")]).result()
    state.close()


def test_a_connection_that_was_cut_is_made_again(own: Postgres, tmp_path: Path) -> None:
    state = open_event_store(own.database(), tmp_path, "shop")
    state.put(told(1)).result()
    assert len(state.history("ann", 5)) == 1
    own.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'carousel'")
    assert len(state.history("ann", 5)) == 1
    assert state.put(told(2)).result() == 1
    state.close()


def test_a_server_that_is_killed_and_comes_back_has_all_that_was_acknowledged(own: Postgres, tmp_path: Path) -> None:
    url = own.database()
    command = [sys.executable, "-c", WRITER, str(tmp_path), url, "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(200)]
        own.kill()
        said += [int(line) for line in process.stdout.read().split()]
        assert process.wait() != 0  # the one that was on its way got an error
    state = open_event_store(url, tmp_path, "shop")
    with pytest.raises(StoreError):
        state.history("u1", 5)
    own.start()
    time.sleep(AWAY_S)
    kept = {e.at for user in state.find_users("", 100) for e in state.history(user, 10**6)}
    assert set(said) <= kept
    assert state.put(told(1)).result() == 1
    state.close()


def test_a_database_belongs_to_one_shop(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    one, other = open_event_store(url, tmp_path, "one"), open_event_store(url, tmp_path, "other")
    one.put(told(1)).result()
    with pytest.raises(ContractError, match="it belongs to 'one'; give each shop a database"):
        other.history("ann", 5)
    with pytest.raises(ContractError, match="give each shop a database"):
        other.put(told(2)).result()
    one.close()
    other.close()


def test_ids_that_no_database_takes_are_nobodys(postgres: Postgres, tmp_path: Path) -> None:
    state = open_event_store(postgres.database(), tmp_path, "shop")
    assert state.history("a\0b", 5) == []
    assert (state.history_version("a\0b"), state.find_users("\0", 5), state.delete_user("a\0b")) == (0, [], 0)
    assert state.put(told(1)).result() == 1
    state.close()
