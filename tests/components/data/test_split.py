"""Windows by global time, leave-one-out for papers; what a window holds and what it must never hold."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.data import tables
from components.data.split import make_split
from components.errors import ContractError
from components.params import Split
from tests.components.data.conftest import load, write_snapshot

AS_OF = datetime(2026, 1, 30, tzinfo=UTC)
SPLIT = load(
    split__validation_days=10,
    split__test_days=10,
    split__weights="{purchase: 1.0, cart: 0.5, view: 0.25}",
    split__target_events="[purchase]",
).split


def read(out: Path, window: str) -> list[tuple[int, int, float, bool]]:
    table = pq.read_table(out / f"{window}.parquet")
    return list(zip(*(table[c].to_pylist() for c in ("user_idx", "item_idx", "weight", "target")), strict=True))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "split").mkdir()
    return tmp_path / "split"


def test_windows_follow_each_other(snapshot: Path, out: Path) -> None:
    info = make_split(snapshot, out, SPLIT, AS_OF, 1)
    assert (info.n_users, info.n_items, info.protocol) == (3, 4, "global_time")
    # items a, b, c, d are 1..4 and users ann, bob, cid 1..3, in the order of their ids
    assert read(out, "train") == [(0, 3, 1.0, True), (1, 1, 1.0, True), (1, 2, 0.25, False), (2, 1, 1.0, True)]
    assert read(out, "validation") == [(1, 3, 1.0, True), (1, 4, 1.0, True), (2, 2, 0.5, False), (3, 4, 1.0, True)]
    assert read(out, "test") == [(2, 3, 1.0, True), (3, 1, 1.0, True)]  # the impression has no weight, the item no row
    ends = [datetime.fromtimestamp(t / 1e6, UTC).day for t in (info.train_end, info.validation_end, info.test_end)]
    assert ends == [10, 20, 30]


def test_later_rows_never_enter(snapshot: Path, out: Path) -> None:
    make_split(snapshot, out, SPLIT, datetime(2026, 1, 25, tzinfo=UTC), 1)
    latest = max(
        pq.read_table(out / f"{w}.parquet")["timestamp"].to_numpy().max() for w in ("train", "validation", "test")
    )
    assert latest < datetime(2026, 1, 25, tzinfo=UTC).timestamp() * 1e6


def test_history_ends_where_the_window_starts(snapshot: Path, out: Path) -> None:
    make_split(snapshot, out, SPLIT, AS_OF, 1)
    users = tables.read_users(out, "test")
    assert users.user_idx.tolist() == [2, 3]
    assert [users.history.row(i).tolist() for i in range(2)] == [[1, 2], [4]]
    assert users.targets is not None
    assert users.targets.item_idx.tolist() == [3, 1]
    assert int(users.history.timestamp.max()) < users.now


def test_leave_one_out_keeps_the_order_of_ties(tmp_path: Path, out: Path) -> None:
    rows: list[tuple[str | None, str, str, str]] = [("u", i, "2026-01-05 00:00:00", "purchase") for i in "dbac"]
    rows += [("v", i, "2026-01-06 00:00:00", "purchase") for i in "ab"]
    folder = write_snapshot(tmp_path / "ties", rows, list("abcd"))
    info = make_split(folder, out, SPLIT.model_copy(update={"protocol": "leave_one_out"}), AS_OF, 1)
    assert info.train_end == info.test_end
    assert [r[1] for r in read(out, "train")] == [4, 2, 1, 2]  # u: d, b; v has too few events to be tested
    assert [r[:2] for r in read(out, "validation")] == [(1, 1)]
    assert [r[:2] for r in read(out, "test")] == [(1, 3)]


def test_same_input_same_bytes(snapshot: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_split(snapshot, tmp_path / name, SPLIT, AS_OF, 1)
        digests.append([hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((tmp_path / name).iterdir())])
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("change", "window"),
    [({"test_days": 3.0}, "test"), ({"validation_days": 60.0}, "train"), ({"target_events": ["cart"]}, "test")],
)
def test_an_empty_window_says_what_to_do(snapshot: Path, out: Path, change: dict[str, object], window: str) -> None:
    wrong = Split.model_validate({**SPLIT.model_dump(), **change})
    with pytest.raises(ContractError, match=f"the {window} window has no .*set data.as_of"):
        make_split(snapshot, out, wrong, AS_OF, 1)


@pytest.mark.real_data
def test_amazon_beauty_is_split_as_papers_do(real_data: Path, tmp_path: Path) -> None:
    """The test item of each user is the last of its line in Beauty.txt, the history all before it."""
    from components import params
    from components.data.snapshot import take_snapshot

    root = Path(__file__).parents[3]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/amazon_beauty").symlink_to(real_data / "amazon_beauty_2014")
    beauty = params.load(root / "params.yaml", [root / "examples/amazon_beauty/params.yaml"])
    for name in ("snapshot", "split"):
        (tmp_path / name).mkdir()
    take_snapshot(beauty.data, tmp_path, tmp_path / "snapshot", tmp_path / "quarantine")
    make_split(tmp_path / "snapshot", tmp_path / "split", beauty.split, beauty.data.as_of, 4)
    users = tables.read_users(tmp_path / "split", "test")
    item_ids = np.array(tables.read_catalogue(tmp_path / "split").item_id)
    user_ids = pq.read_table(tmp_path / "split/users.parquet")["user_id"].to_pylist()
    text = (real_data / "amazon_beauty_2014/Beauty.txt").read_text()
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert len(users) == 22_363
    assert users.targets is not None
    for row in range(0, len(users), 7):
        came = [*item_ids[users.history.row(row)], *item_ids[users.targets.row(row)]]
        assert came == lines[user_ids[users.user_idx[row] - 1]][-len(came) :]
