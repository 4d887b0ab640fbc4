"""`carousel export` as a flow: the champion's lists of the shop's users, resumed after kill -9."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.errors import ContractError
from components.io import sha256_file
from components.offline.parts import PART_USERS
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.times import to_iso
from flows.export import export, find_target
from flows.workspace import open_workspace


def test_the_lists_of_all_users_of_the_snapshot(promoted: Path) -> None:
    done = export.fn(k=3)
    file = promoted / ".carousel/shops/carousel/exports/lists.parquet"
    assert done["to"] == str(file)
    assert (done["version"], done["n_users"], done["n_with_history"]) == (1, 1, 1)
    rows = pq.read_table(file).to_pylist()
    assert [(row["user_id"], row["position"]) for row in rows] == [("u1", 1), ("u1", 2), ("u1", 3)]
    seen = {"sku-1", "sku-3", "sku-5"}
    assert not seen & {row["item_id"] for row in rows}
    assert done["files"] == {"lists.parquet": sha256_file(file)}
    users = promoted / "users.txt"
    users.write_text("u1\nu2\n")
    done = export.fn(to="mine.csv", users=str(users), version=1, rules=["price < 5"])
    assert (done["n_users"], done["reasons"]) == (2, {"no history": 1})
    assert (promoted / "mine.csv").is_file()


def test_a_killed_export_goes_on_where_it_was(promoted: Path) -> None:
    program = "from flows.export import export\nexport.fn(to='lists.jsonl', k=2)"
    env = os.environ | {"CRASH_AT": "export:parts"}
    killed = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert killed.returncode not in (0, 1), killed.stderr
    unfinished = promoted / ".carousel/shops/carousel/exports/unfinished"
    (plan,) = unfinished.glob("*/plan.json")
    started = json.loads(plan.read_text())["as_of"]
    assert not (promoted / "lists.jsonl").exists()
    done = export.fn(to="lists.jsonl", k=2)
    assert done["as_of"] == to_iso(started)  # not the moment of the second call
    assert [json.loads(line)["user_id"] for line in (promoted / "lists.jsonl").read_text().splitlines()] == ["u1"]
    assert not list(unfinished.glob("*/*"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_process_that_is_killed_and_started_again_writes_the_bytes_of_an_unbroken_one(
    checkout: Path, template: Path
) -> None:
    """`carousel export` as its users start it: SIGKILL in the middle, at whatever instruction it is."""
    users = [f"u{n:05d}" for n in range(10 * PART_USERS)]
    (checkout / "users.txt").write_text("\n".join(users))
    store = SqliteEventStore(checkout / ".carousel/shops/carousel/serving/state.db")
    store.bulk_insert(StoredEvent(user, 1_000_000 + n, f"sku-{n % 7}", "view") for n, user in enumerate(users[::3]))
    store.close()
    program = "from flows import cli, server\nserver.FOREIGN_START_S = 0.1\nraise SystemExit(cli.main())"
    env = os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}  # recorded nowhere

    def start(target: str) -> subprocess.Popen[bytes]:
        options = ["--users", "users.txt", "--bundle", str(template / "bundle"), "--k", "5", "--as-of", "2026-03-02"]
        command = [sys.executable, "-c", program, "export", target, *options]
        return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)

    assert start("whole.parquet").wait(250) == 0
    parts = checkout / ".carousel/shops/carousel/exports/unfinished"
    process = start("broken.parquet")
    while len(finished := list(parts.glob("*/part-*.parquet"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait(30) == -signal.SIGKILL
    kept = {file: file.stat().st_mtime_ns for file in finished}
    assert not (checkout / "broken.parquet").exists()
    process = start("broken.parquet")
    while len(list(parts.glob("*/part-*.parquet"))) < len(kept) + 3:
        assert process.poll() is None
        assert all(file.stat().st_mtime_ns == at for file, at in kept.items())  # not made again
        time.sleep(0.01)
    assert process.wait(250) == 0
    assert sha256_file(checkout / "broken.parquet") == sha256_file(checkout / "whole.parquet")
    assert pq.read_metadata(checkout / "broken.parquet").num_rows == 5 * len(users)
    assert not list(parts.glob("*/*"))


def test_a_bundle_folder_and_wrong_arguments(promoted: Path) -> None:
    done = export.fn(to="lists.csv", bundle="bundle")
    assert done["version"] is None
    with pytest.raises(ContractError, match="leave one out"):
        export.fn(to="lists.csv", bundle="bundle", version=1)
    workspace = open_workspace([], [], None)
    with pytest.raises(ContractError, match=r"write \$\{NAME\} in its place"):
        find_target(workspace, "postgresql://shop:s3cret@host/db", "lists")
    with pytest.raises(ContractError, match="LISTS_PASSWORD is not set, the address of the export needs it"):
        find_target(workspace, "postgresql://shop:${LISTS_PASSWORD}@host/db", "lists")
