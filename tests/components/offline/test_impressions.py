"""Exported lists that were shown are impressions in the exposure log, like those of the service."""

import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import ContractError
from components.offline.database import ListTable
from components.offline.export import Job, export_lists
from components.offline.impressions import log_impressions
from components.offline.model import OfflineModel
from components.offline.users import AllUsers
from components.params import Params
from components.serving.schemas import RecommendRequest
from components.serving.storage.event_store import EventStore
from components.times import now_micros, to_iso, to_micros

AT = "2026-03-02T09:00:00+00:00"


@pytest.fixture
def registered(model: OfflineModel, params: Params) -> OfflineModel:
    return OfflineModel(model.bundle, params, model.store, version=7)


def export_to(target: Path | ListTable, model: OfflineModel, store: EventStore, tmp_path: Path) -> dict[str, list[str]]:
    """Export the lists of all users; return list_id -> item_ids."""
    job = Job(target, RecommendRequest(k=3), AllUsers(store), tmp_path / "unfinished", now_micros())
    done = export_lists(model, job)
    users = ["stranger", *(f"u-{n}" for n in range(1, 8))]
    lists = {user: model.recommend(RecommendRequest(user_id=user, k=3)).items for user in users}
    return {f"{done.export_id}-{n}": [item.item_id for item in lists[user]] for n, user in enumerate(users)}


def logged(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in sorted(folder.glob("*.parquet"))])


@pytest.mark.parametrize("name", ["lists.parquet", "lists.csv", "lists.jsonl", "table"])
def test_shown_lists_become_impressions(name: str, registered: OfflineModel, store: EventStore, tmp_path: Path) -> None:
    target = ListTable(f"sqlite:///{tmp_path}/shop.db", "lists") if name == "table" else tmp_path / name
    lists = list(export_to(target, registered, store, tmp_path).items())
    shown = tmp_path / "shown.csv"
    lines = [f"{lists[1][0]},{AT},", f"{lists[3][0]},{AT},2", f"0123-5,{AT},"]
    shown.write_text("list_id,timestamp,n_shown\n" + "\n".join(lines) + "\n")
    folder = tmp_path / "exposures"
    done = log_impressions(target, shown, store, folder, 100)
    assert done.model_dump() == {"n_shown": 3, "n_lists": 2, "n_unknown": 1, "n_deleted": 0, "n_rows": 5}
    rows = logged(folder).to_pylist()
    assert [(r["user_id"], r["item_id"], r["position"], r["request_id"]) for r in rows] == [
        *(("u-1", item, n, lists[1][0]) for n, item in enumerate(lists[1][1], 1)),
        *(("u-3", item, n, lists[3][0]) for n, item in enumerate(lists[3][1][:2], 1)),
    ]
    assert {(r["event"], r["route"], r["version"]) for r in rows} == {("impression", "export", 7)}
    assert {to_micros(r["timestamp"]) for r in rows} == {to_micros(datetime.fromisoformat(AT))}


def test_the_same_call_again_replaces_its_files(registered: OfflineModel, store: EventStore, tmp_path: Path) -> None:
    target = tmp_path / "lists.csv"
    lists = export_to(target, registered, store, tmp_path)
    shown = tmp_path / "shown.jsonl"
    shown.write_text("".join(json.dumps({"list_id": name, "timestamp": AT}) + "\n" for name in lists))
    for _ in range(2):
        log_impressions(target, shown, store, tmp_path / "exposures", 7)
    assert logged(tmp_path / "exposures").num_rows == 24
    assert len(list((tmp_path / "exposures").glob("*.parquet"))) == 3  # at most 7 rows and the rest of a list in each


def test_a_deleted_user_has_no_impressions(registered: OfflineModel, store: EventStore, tmp_path: Path) -> None:
    target = tmp_path / "lists.parquet"
    lists = export_to(target, registered, store, tmp_path)
    store.delete_user("u-1")
    shown = tmp_path / "shown.csv"
    lines = [f"{name},{time}" for name in list(lists)[1:3] for time in (AT,)]
    lines.append(f"{list(lists)[1]},{to_iso(now_micros() + 10**9)}")  # after the deletion
    shown.write_text("list_id,timestamp\n" + "\n".join(lines) + "\n")
    done = log_impressions(target, shown, store, tmp_path / "exposures", 100)
    assert (done.n_deleted, done.n_rows) == (1, 6)


def test_wrong_files_are_errors(
    model: OfflineModel, registered: OfflineModel, store: EventStore, tmp_path: Path
) -> None:
    target, shown = tmp_path / "lists.parquet", tmp_path / "shown.csv"
    (name, *_) = export_to(target, registered, store, tmp_path)
    shown.write_text(f"list_id,timestamp\n{name},{AT}\n{name},yesterday\n")
    with pytest.raises(ContractError, match=r"shown\.csv, record 2: timestamp: .*expected a date-time with a zone"):
        log_impressions(target, shown, store, tmp_path / "exposures", 100)
    with pytest.raises(ContractError, match=r"expected a file that ends in \.csv or \.jsonl"):
        log_impressions(target, tmp_path / "shown.xlsx", store, tmp_path / "exposures", 100)
    with pytest.raises(ContractError, match="export the lists again"):
        log_impressions(tmp_path / "other.csv", shown, store, tmp_path / "exposures", 100)
    shown.write_text(f"list_id,timestamp\n{name},{AT}\n")
    target.write_bytes(b"PAR1")
    with pytest.raises(ContractError, match="expected a file that `carousel export` wrote"):
        log_impressions(target, shown, store, tmp_path / "exposures", 100)
    export_to(target, model, store, tmp_path)
    with pytest.raises(ContractError, match="not of a registered version"):
        log_impressions(target, shown, store, tmp_path / "exposures", 100)
    assert not list((tmp_path / "exposures").glob("*.parquet"))
