"""The examples read the real data sets with the counts of their papers and sources."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components import params
from components.data.partitions import read_table
from components.data.snapshot import read_snapshot_info, take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions, read_users

CHECKOUT = Path(__file__).parents[3]
Run = Callable[..., tuple[Path, Path]]


@pytest.fixture
def run(tmp_path: Path, real_data: Path) -> Run:
    """Return a function that ingests and splits one example; returns its snapshot and split."""

    def ingest(example: str, folder: str, *overrides: str) -> tuple[Path, Path]:
        overlay = CHECKOUT / "examples" / example / "params.yaml"
        chosen = params.load(CHECKOUT / "params.yaml", [overlay], list(overrides))
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / example).symlink_to((real_data / folder).resolve())
        snapshot, split = tmp_path / "snapshot", tmp_path / "split"
        for made in (snapshot, split):
            made.mkdir()
        take_snapshot(chosen.data, tmp_path, snapshot, tmp_path / "quarantine")
        make_split(snapshot, split, chosen.split, chosen.data.as_of, chosen.data.memory_gib)
        return snapshot, split

    return ingest


@pytest.mark.real_data
def test_amazon_beauty_is_the_published_split(run: Run, real_data: Path) -> None:
    snapshot, split = run("amazon_beauty", "amazon_beauty_2014")
    counts = read_snapshot_info(snapshot).counts
    assert (counts["events"].read, counts["events"].valid) == (198_502, 198_502)
    assert counts["products"].valid == 12_101
    assert sum(not t for t in read_catalogue(split).title[1:]) == 7
    lines = (real_data / "amazon_beauty_2014/Beauty.txt").read_text().splitlines()
    sequence = {user: items for user, *items in (line.split() for line in lines)}
    user_id = ["", *pq.read_table(split / "users.parquet")["user_id"].to_pylist()]
    item_id = read_catalogue(split).item_id
    test, validation = read_users(split, "test"), read_users(split, "validation")
    assert len(test) == len(validation) == len(sequence) == 22_363
    assert test.targets is not None
    assert validation.targets is not None
    for i, user in enumerate(test.user_idx):
        items = sequence[user_id[user]]
        assert [item_id[t] for t in test.targets.row(i)] == items[-1:]
        assert [item_id[t] for t in validation.targets.row(i)] == items[-2:-1]
        assert [item_id[t] for t in test.history.row(i)] == items[:-1][-200:]


@pytest.mark.real_data
def test_gift_shop_counts_add_up(run: Run, real_data: Path) -> None:
    snapshot, split = run("online_retail", "online_retail_uci")
    files = sorted((real_data / "online_retail_uci").glob("*.csv.gz"))
    text = b"".join(gzip.decompress(f.read_bytes()).split(b"\n", 1)[1] for f in files)
    cancelled = sum(line.startswith(b"C") for line in text.split(b"\n"))
    counts = read_snapshot_info(snapshot).counts
    assert counts["events"].read == counts["products"].read == 541_909
    assert counts["events"].quarantined < 50
    assert counts["products"].quarantined == 0
    events = read_table(snapshot, "events", ["user_id", "event", "quantity", "price", "timestamp"])
    returns = pc.sum(pc.equal(events["event"], "return")).as_py()
    assert 0.7 * cancelled < returns < cancelled == 9_288
    assert pc.min(events["quantity"]).as_py() > 0
    assert 0.2 < events["user_id"].null_count / events.num_rows < 0.28
    months = {str(m)[:7] for m in pc.strftime(events["timestamp"], "%Y-%m").unique().to_pylist()}
    assert len(months) == 13
    train = read_interactions(split)
    assert 0 < np.mean(train.user_idx == 0) < 0.3
    titles = read_catalogue(split).title[1:]
    assert sum(not t for t in titles) == 0


@pytest.mark.real_data
def test_gift_shop_as_of_june_has_no_later_rows(run: Run) -> None:
    snapshot, split = run("online_retail", "online_retail_uci", 'data.as_of="2011-06-01T00:00:00Z"')
    counts = read_snapshot_info(snapshot).counts
    assert counts["events"].after_as_of > 300_000
    latest = pc.max(read_table(snapshot, "events", ["timestamp"])["timestamp"]).as_py()
    assert latest.strftime("%Y-%m") == "2011-05"
    items = read_table(snapshot, "products", ["item_id", "timestamp"])
    assert pc.max(items["timestamp"]).as_py() <= latest
    assert len(read_users(split, "test")) > 500
