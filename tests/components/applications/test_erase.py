"""Published tables without forgotten users replace the earlier ones as a whole."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.applications.erase import erase_published
from components.applications.publish import CURRENT, Published, find_published, folder_digest
from components.applications.record import FOLDER
from components.io import write_record
from components.tombstones import Forgotten, tombstone

KEY = b"k" * 32
FORGOTTEN = Forgotten(KEY, {tombstone("ann", KEY): 1})


def put(shop: Path, users: list[str], current: bool) -> Path:
    made = shop / FOLDER / "marketing/new"
    made.mkdir(parents=True)
    pq.write_table(pa.table({"user_id": users}), made / "users.parquet")
    folder = made.rename(made.with_name(folder_digest(made)))
    if current:
        write_record(folder.parent / CURRENT, Published(digest=folder.name, as_of="2026-03-01"))
    return folder


def test_the_folder_in_use_is_replaced_and_an_older_one_removed(tmp_path: Path) -> None:
    old, current = put(tmp_path, ["ann", "cid"], False), put(tmp_path, ["ann", "bob"], True)
    assert erase_published(tmp_path, FORGOTTEN) == {"marketing/users.parquet": 1}
    found = find_published(tmp_path, "marketing")
    assert found is not None
    assert pq.read_table(found / "users.parquet")["user_id"].to_pylist() == ["bob"]
    assert not old.exists()
    assert not current.exists()
    assert erase_published(tmp_path, FORGOTTEN) == {}


def test_what_holds_no_such_user_stays(tmp_path: Path) -> None:
    current = put(tmp_path, ["bob"], True)
    assert erase_published(tmp_path, FORGOTTEN) == {}
    assert find_published(tmp_path, "marketing") == current
    assert erase_published(tmp_path / "nowhere", FORGOTTEN) == {}
