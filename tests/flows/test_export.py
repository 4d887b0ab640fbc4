"""`carousel export` as a flow: the champion's lists of the shop's users, resumed after kill -9."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.errors import ContractError
from components.io import sha256_file
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
