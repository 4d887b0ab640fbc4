"""Forgetting users of a shop whose service runs: no trace in any place, no failed request, the others as before."""

import gzip
import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.errors import BusyError, ContractError
from components.offline.forget import Shop, forget
from components.params import load
from components.release.lock import exclusive_lock
from components.release.mlflow_connection import ENVIRONMENT
from components.release.status import read_status
from components.release.unlearning import find_waiting
from components.release.written_files import note_written
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.settings import Settings
from components.times import now_micros
from tests.components.release.parquet_repo import make_parquet_repo, run_night
from tests.components.release.tiny_repo import call, commit
from tests.components.serving.processes import ask, clients, free_port, service, wait_until, wait_until_version
from tests.components.serving.test_live import home_with_champion
from tests.support import ROOT

USER, OTHER = "user-q7x9", "user-b111"
DIGESTS = [sha256(USER.encode()).hexdigest(), md5(USER.encode(), usedforsecurity=False).hexdigest()]
TRACES = [text.encode() for text in (USER, *DIGESTS, f"{zlib.crc32(USER.encode()):08x}")]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
OWN = [(USER, f"i{1 + n % 3}", f"2026-01-{1 + n % 28:02d} 10:00:00", "view") for n in range(100)]
EVENTS = [*OWN, *[(OTHER, "i1", f"2026-01-{1 + n:02d} 11:00:00", "view") for n in range(20)]]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Return a shop with one snapshot in DVC, 100 events of each user in the service's store, and an audience."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    root = make_parquet_repo(tmp_path / "repo")
    run_night(root, EVENTS, ["ingest", "split"])
    sources = {name: [{"path": f"source/{name}"}] for name in ("products", "events")}
    params = load(ROOT / "params.yaml", [], ["data.simulated=false", f"data.sources={json.dumps(sources)}"])
    home = tmp_path / "home"
    return Shop(root, Settings(home=home).resolved(root), params)


def fill(shop: Shop) -> None:
    """Store events of both users, an audience with both, and what an application has published about both."""
    store, start = SqliteEventStore(shop.folder / "serving/state.db"), now_micros() - 10**9
    for user in (USER, OTHER):
        store.put([StoredEvent(user, start + n, f"sku-{1 + n % 18}", "view") for n in range(100)]).result()
    store.close()
    audience = shop.root.parent / "spring.csv"
    audience.write_text(f"user_id,orders\n{USER},3\n{OTHER},4\n")
    note_written(shop.folder, audience)


def reveals(file: Path) -> bool:
    """Search by other means than the code under test: all bytes, and all values of Parquet files as text."""
    content = file.read_bytes()
    if content[:4] == b"PAR1":
        content += json.dumps(pq.read_table(file).to_pylist(), default=str).encode()
    if content[:2] == b"\x1f\x8b":
        content += gzip.decompress(content)
    return any(trace in content for trace in TRACES)


def files_with_traces(*folders: Path) -> list[str]:
    own = "source"  # the shop's own data, which are not changed
    return [
        str(file)
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and own not in file.parts and reveals(file)
    ]


def test_everything_of_a_user_goes_and_everything_of_another_stays(shop: Shop) -> None:
    fill(shop)
    assert len(files_with_traces(shop.root, shop.settings.home)) >= 4  # store, snapshot, cache, remote
    done = forget(shop, [USER], NOW)
    assert files_with_traces(shop.root, shop.settings.home, shop.root.parent / "spring.csv") == []
    assert done.is_empty
    assert (done.n_users, done.service_events, done.rows, done.files) == (1, 100, {"events": 100}, {"spring.csv": 1})
    assert done.waiting is None  # nothing serves
    assert USER not in done.model_dump_json() + done.describe()
    assert sorted(path.suffix for path in (shop.folder / "certificates").iterdir()) == [".json", ".md"]
    store = SqliteEventStore(shop.folder / "serving/state.db")
    assert len(store.history(OTHER, 999)) == 100
    store.close()
    events = pq.read_table(next((shop.root / "data/snapshot/events").rglob("*.parquet")))
    assert events["user_id"].to_pylist() == [OTHER] * 20
    assert (shop.root.parent / "spring.csv").read_text() == f"user_id,orders\n{OTHER},4\n"


def test_a_call_without_users_completes_what_the_service_was_asked_to_delete(shop: Shop) -> None:
    fill(shop)
    store = SqliteEventStore(shop.folder / "serving/state.db")
    store.delete_user(USER)
    store.close()
    assert files_with_traces(shop.root)
    done = forget(shop, [], NOW)
    assert (done.n_users, done.rows) == (0, {"events": 100})
    assert files_with_traces(shop.root, shop.settings.home) == []


def test_a_user_of_whom_nothing_was_found_starts_no_clock_and_another_does(shop: Shop) -> None:
    fill(shop)
    forget(shop, ["nobody-at-all"], NOW)
    assert find_waiting(shop.folder, NOW, NOW) is None
    forget(shop, [USER], NOW)
    waiting = find_waiting(shop.folder, NOW, NOW)
    assert waiting is not None
    assert waiting.n_users == 1


def test_code_and_vocabularies_with_the_same_word_are_not_reported_and_new_files_are(shop: Shop) -> None:
    fill(shop)
    call(shop.root, "git", "init", "--quiet")
    call(shop.root, "git", "config", "user.email", "test@example.com")
    call(shop.root, "git", "config", "user.name", "Test")
    (shop.root / "code.py").write_text(f"NAME = '{USER}'\n")
    commit(shop.root)
    (shop.settings.home / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {USER: 1}}}))
    assert forget(shop, [USER], NOW).is_empty
    (shop.root / "notes.txt").write_text(USER)
    done = forget(shop, [USER], NOW)
    assert [name for result in done.searched for name in result.found] == ["notes.txt"]


def test_while_a_run_works_the_service_forgets_and_the_next_call_does_the_rest(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop)
    monkeypatch.setattr("components.offline.forget.LOCK_S", 0.1)
    with exclusive_lock(shop.settings.home / "retrain.lock", "a run"), pytest.raises(BusyError):
        forget(shop, [USER], NOW)
    assert files_with_traces(shop.folder) == []
    assert files_with_traces(shop.root)
    assert forget(shop, [USER], NOW).is_empty
    assert files_with_traces(shop.root, shop.settings.home) == []


def test_the_file_that_names_the_users_is_not_searched_and_is_noted(shop: Shop) -> None:
    for listed in (shop.root / "users.txt", shop.settings.home / "users.txt"):
        listed.parent.mkdir(exist_ok=True)
        listed.write_text(f"{USER}\n")
        assert not forget(shop, [USER], NOW).is_empty
        done = forget(shop, [USER], NOW, listed=listed)
        assert done.is_empty
        assert done.notes[-1].endswith("delete it")
        listed.unlink()


def test_what_cannot_be_an_id_is_refused_before_anything_changes(shop: Shop) -> None:
    fill(shop)
    with pytest.raises(ContractError, match="expected the id of a user"):
        forget(shop, [USER, "  "], NOW)
    assert files_with_traces(shop.folder)


@pytest.mark.slow
def test_a_user_is_forgotten_while_the_service_answers(shop: Shop, bundle: Path, tmp_path: Path) -> None:
    home, port = home_with_champion(bundle, tmp_path), free_port()
    assert home == shop.settings.home
    fill(shop)
    answers: list[int] = []

    def recommend() -> None:
        answers.append(ask(port, "/recommend", {"user_id": OTHER, "k": 5})[0])
        time.sleep(0.02)  # about 50 requests a second at most

    with service(home, port):
        wait_until_version(port, 1)
        for user in (USER, OTHER):  # exposures and cached lists of both
            assert ask(port, "/recommend", {"user_id": user, "k": 5})[0] == 200
        before = ask(port, "/recommend", {"user_id": OTHER, "k": 5})[1]["items"]
        with clients(1, recommend):
            wait_until(lambda: len(answers) > 20)
            done = forget(shop, [USER])
            n_after = len(answers)
            wait_until(lambda: len(answers) > n_after + 20)
        assert set(answers) == {200}
        wait_until(lambda: not files_with_traces(shop.folder), 30)
        after = ask(port, "/recommend", {"user_id": OTHER, "k": 5})[1]["items"]
        assert [item["item_id"] for item in after] == [item["item_id"] for item in before]
        assert done.waiting is not None
        assert done.waiting.n_users == 1
        status = read_status(shop.settings, shop.params.release)
        assert status.unlearning is not None
        assert status.unlearning["n_users"] == 1
        assert not status.unlearning["is_overdue"]
    assert done.waiting.due - done.at == timedelta(days=shop.params.privacy.unlearn_days)
    assert files_with_traces(shop.root, home) == []
