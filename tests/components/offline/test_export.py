"""Exports: the service's lists in every format, resumed after a kill with the same bytes, replaced as a whole."""

import csv
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from components.errors import BusyError, ContractError
from components.io import sha256_file
from components.offline import export as exports
from components.offline import parts as parts_module
from components.offline.database import ListTable
from components.offline.export import Job, export_lists, manifest_file, read_manifest
from components.offline.model import OfflineModel
from components.offline.users import AllUsers, UserFile
from components.release.lock import exclusive_lock
from components.serving.schemas import RecommendRequest
from components.serving.storage.event_store import EventStore
from components.times import HOUR_US, now_micros

MakeJob = Callable[..., Job]


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of three users, scored two at a time."""
    monkeypatch.setattr(exports, "PART_USERS", 3)
    monkeypatch.setattr(parts_module, "PART_USERS", 3)
    monkeypatch.setattr(exports, "BATCH_USERS", 2)


@pytest.fixture
def job(tmp_path: Path, store: EventStore) -> MakeJob:
    def make(target: str | ListTable = "lists.parquet", **change: Any) -> Job:
        path = target if isinstance(target, ListTable) else tmp_path / "out" / target
        default = Job(path, RecommendRequest(k=4), AllUsers(store), tmp_path / "unfinished", now_micros())
        return replace(default, **change)

    return make


def rows_of(path: Path) -> list[tuple[str, int, str]]:
    return [(row["user_id"], row["position"], row["item_id"]) for row in pq.read_table(path).to_pylist()]


def expected_rows(model: OfflineModel, users: list[str], k: int = 4) -> list[tuple[str, int, str]]:
    lists = {user: model.recommend(RecommendRequest(user_id=user, k=k)).items for user in users}
    return [(user, n, item.item_id) for user in users for n, item in enumerate(lists[user], 1)]


def kill_after(n_parts: int) -> Callable[[int, int], None]:
    def progress(done: int, _: int) -> None:
        if done >= 3 * n_parts:
            raise KilledError

    return progress


def test_all_users_have_the_lists_of_the_service_and_a_manifest(model: OfflineModel, job: MakeJob) -> None:
    seen: list[tuple[int, int]] = []
    one = job()
    done = export_lists(model, one, lambda n, n_all: seen.append((n, n_all)))
    users = ["stranger", *(f"u-{n}" for n in range(1, 8))]
    assert rows_of(one.target) == expected_rows(model, users)
    assert seen == [(3, 8), (6, 8), (8, 8)]
    assert (done.n_users, done.n_with_history, done.n_rows, done.reasons) == (8, 7, 32, {"no history": 1})
    assert (done.model, done.bundle_digest, done.version) == ("ease", model.bundle.digest, None)
    assert done.files == {"lists.parquet": sha256_file(one.target)}
    assert read_manifest(one.target) == done
    assert not list(one.folder.glob("*/*"))  # the parts are removed
    assert not any(f"u-{n}" in manifest_file(one.target).read_text() for n in range(1, 8))


def test_the_formats_hold_the_same_lists(model: OfflineModel, job: MakeJob, tmp_path: Path) -> None:
    as_of = now_micros()
    kinds = [job(name, as_of=as_of) for name in ("lists.parquet", "lists.csv", "lists.jsonl")]
    kinds.append(job(ListTable(f"sqlite:///{tmp_path / 'shop.db'}", "lists"), as_of=as_of))
    manifests = [export_lists(model, kind) for kind in kinds]
    assert len({manifest.rows_digest for manifest in manifests}) == 1
    wanted = pq.read_table(kinds[0].target).to_pylist()
    with Path(kinds[1].target).open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(r["list_id"], r["user_id"], int(r["position"]), r["item_id"], r["reason"] or None) for r in lines] == [
        (r["list_id"], r["user_id"], r["position"], r["item_id"], r["reason"]) for r in wanted
    ]
    records = [json.loads(line) for line in Path(kinds[2].target).read_text().splitlines()]
    flat = [(r["list_id"], r["user_id"], n, i["item_id"]) for r in records for n, i in enumerate(r["items"], 1)]
    assert flat == [(r["list_id"], r["user_id"], r["position"], r["item_id"]) for r in wanted]
    assert [r["user_id"] for r in records][:2] == ["stranger", "u-1"]
    with sqlite3.connect(tmp_path / "shop.db") as database:
        found = database.execute("SELECT list_id, user_id, position, item_id, score FROM lists").fetchall()
        (manifest,) = database.execute("SELECT manifest FROM lists_manifest").fetchone()
    database.close()
    assert [(r[0], r[1], r[2], r[3]) for r in found] == [
        (r["list_id"], r["user_id"], r["position"], r["item_id"]) for r in wanted
    ]
    assert [r[4] for r in found] == pytest.approx([r["score"] for r in wanted])
    assert json.loads(manifest)["n_users"] == 8


@pytest.mark.parametrize("name", ["lists.parquet", "lists.csv", "lists.jsonl"])
def test_a_killed_export_goes_on_and_ends_with_the_same_bytes(name: str, model: OfflineModel, job: MakeJob) -> None:
    as_of = now_micros()
    whole = job(name, as_of=as_of)
    unbroken = export_lists(model, whole)
    wanted = Path(whole.target).read_bytes()
    other = job("earlier lists of " + name)
    Path(other.target).write_text("earlier")
    with pytest.raises(KilledError):
        export_lists(model, replace(other, as_of=as_of), kill_after(2))
    assert Path(other.target).read_text() == "earlier"
    scored: list[int] = []
    resumed = export_lists(model, replace(other, as_of=as_of + HOUR_US), lambda n, _: scored.append(n))
    assert scored == [6, 8]  # only the last part was made
    assert Path(other.target).read_bytes() == wanted
    assert resumed.rows_digest == unbroken.rows_digest
    assert resumed.as_of == unbroken.as_of


@pytest.mark.parametrize(
    "change",
    [{"request": RecommendRequest(k=5)}, {"as_of": now_micros() + 30 * HOUR_US}, {"is_exact": True}],
    ids=["another length", "a day later", "another moment that was asked for"],
)
def test_what_differs_is_made_anew(change: dict[str, Any], model: OfflineModel, job: MakeJob) -> None:
    one = job(as_of=now_micros() - HOUR_US)
    with pytest.raises(KilledError):
        export_lists(model, one, kill_after(1))
    scored: list[int] = []
    later = replace(one, **({"as_of": now_micros()} | change))
    export_lists(model, later, lambda n, _: scored.append(n))
    assert scored == [3, 6, 8]


def test_users_of_a_file_in_its_order(model: OfflineModel, job: MakeJob, tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text("user_id\nu-5\n\nnobody\n u-1 \nu-2\nu-7\n", encoding="utf-8")
    one = job(users=UserFile(file, ()))
    done = export_lists(model, one)
    assert rows_of(one.target) == expected_rows(model, ["u-5", "nobody", "u-1", "u-2", "u-7"])
    assert (done.n_users, done.n_with_history, done.users) == (5, 4, sha256_file(file))


def test_a_user_who_is_deleted_meanwhile_is_in_no_row(model: OfflineModel, job: MakeJob, store: EventStore) -> None:
    one = job()

    def delete(done: int, _: int) -> None:
        if done == 3:
            store.delete_user("u-1")

    done = export_lists(model, one, delete)
    assert (done.n_users, done.n_deleted) == (8, 1)
    assert {user for user, _, _ in rows_of(one.target)} == {"stranger", *(f"u-{n}" for n in range(2, 8))}


def test_users_without_a_product_that_may_be_listed_are_counted(model: OfflineModel, job: MakeJob) -> None:
    request = RecommendRequest.model_validate({"filters": {"rules": ["price < 0"]}})
    done = export_lists(model, job(request=request))
    assert (done.n_users, done.n_empty, done.n_rows) == (8, 8, 0)


def test_wrong_targets_and_empty_shops_are_errors(
    model: OfflineModel, job: MakeJob, store: EventStore, tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match=r"lists\.xlsx: expected a name that ends in \.parquet, \.csv, \.jsonl"):
        export_lists(model, job("lists.xlsx"))
    with pytest.raises(ContractError, match="the earlier lists, if any, are unchanged"):
        export_lists(model, job(ListTable(f"sqlite:///{tmp_path}/none/x.db", "lists")))
    empty = tmp_path / "users.txt"
    empty.write_text("\n")
    with pytest.raises(ContractError, match="no users to export"):
        export_lists(model, job(users=UserFile(empty, ())))
    with pytest.raises(ContractError, match="none was opened"):
        export_lists(OfflineModel(model.bundle, model.params), job())


def test_two_exports_to_the_same_target_do_not_mix(model: OfflineModel, job: MakeJob) -> None:
    one = job()
    with pytest.raises(KilledError):
        export_lists(model, one, kill_after(1))
    (lock,) = one.folder.glob("*.lock")
    with exclusive_lock(lock, "the first"), pytest.raises(BusyError, match="the first runs since"):
        export_lists(model, one)
