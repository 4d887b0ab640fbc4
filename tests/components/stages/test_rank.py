"""Stage `rank` on a small simulated shop: from impressions to calibrated chances, without a look ahead."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components.contracts import EVENTS
from components.data.tables import read_info
from components.params import load
from components.ranking.ranker import Ranker
from components.stages import ingest, profile, rank, resolve, split
from components.stages.run import RESOLVED

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
SMALL = "shop.n_users=150\nshop.n_items=80\nranking.max_epochs=2"


@pytest.fixture
def checkout(enter: Callable[[str], Path]) -> Path:
    folder = enter(SMALL)
    for stage in (resolve, ingest, split, profile):
        stage.main()
    n_items = read_info(Path("data/split")).n_items
    rows = np.random.default_rng(0).normal(size=(n_items + 1, 8))
    rows[0] = 0
    Path("features").mkdir()
    save_file({"embedding": rows.astype(np.float16)}, "features/items.safetensors")
    return folder


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_from_impressions_to_chances(checkout: Path) -> None:
    rank.main()
    metrics = json.loads((checkout / "reports/rank/metrics.json").read_text())
    assert metrics["examples/test"] > 1000
    assert 0 < metrics["purchase/log_loss"] < metrics["click/log_loss"] < 1
    assert (checkout / "reports/rank/plots/metrics/validation/loss.tsv").exists()
    ranker = Ranker.load(checkout / "models/ranker")
    chances = ranker.probabilities(np.array([0, 1], np.int32), np.array([1, 1], np.int32))
    assert ((chances > 0) & (chances < 1)).all()
    before = digest(checkout / "models/ranker")
    rank.main()
    assert digest(checkout / "models/ranker") == before


def test_labels_are_what_the_user_did_to_what_was_shown(checkout: Path) -> None:
    params = load(RESOLVED)
    _, learned, test = rank.inputs(checkout, params)
    info = read_info(checkout / "data/split")
    assert info.train_end <= learned.timestamp.min() <= learned.timestamp.max() < info.validation_end
    assert info.validation_end <= test.timestamp.min() <= test.timestamp.max() < info.test_end
    assert (learned.labels[:, 1:] <= learned.labels[:, :-1]).all()
    assert learned.place.min() == 0
    rows = pq.read_table(checkout / "data/split/validation.parquet")
    bought = rows.filter(np.equal(rows["event"].to_numpy(), EVENTS.index("purchase"))).num_rows
    assert 0.8 * bought <= learned.labels[:, 2].sum() <= 1.2 * bought


def test_nothing_after_the_cut_is_known(checkout: Path) -> None:
    """Other days after the cut: what is known of users and products stays the same to the bit."""
    params = load(RESOLVED)
    before, *_ = rank.inputs(checkout, params)
    for window in ("validation", "test"):
        path = checkout / f"data/split/{window}.parquet"
        table = pq.read_table(path)
        items = table["item_idx"].to_numpy()[::-1].copy()
        pq.write_table(table.set_column(1, "item_idx", [items]), path, write_page_checksum=True)
    after, *_ = rank.inputs(checkout, params)
    for name in ("user_text", "item_text", "user", "item"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    for name in ("category", "brand"):
        assert (getattr(before, name).weight != getattr(after, name).weight).nnz == 0


def test_a_leave_one_out_split_gets_a_note(enter: Callable[[str], Path]) -> None:
    folder = enter(f"{SMALL}\nsplit.protocol=leave_one_out")
    for stage in (resolve, ingest, split):
        stage.main()
    rank.main()
    assert "leave-one-out" in (folder / "models/ranker/note.txt").read_text()


def test_a_shop_with_too_little_gets_a_note_and_no_fault(checkout: Path) -> None:
    users = pq.read_table(checkout / "data/split/users.parquet")
    few = users.set_column(1, "user_id", [[f"nobody {i}" for i in range(users.num_rows)]])
    pq.write_table(few, checkout / "data/split/users.parquet", write_page_checksum=True)  # nobody was shown anything
    resolved = RESOLVED.read_text().replace("negatives: 4", "negatives: 1")
    RESOLVED.write_text(resolved.replace("check_share: 0.2", "check_share: 0.001"))
    rank.main()
    assert "expected 5 or more" in (checkout / "models/ranker/note.txt").read_text()
    assert [p.name for p in (checkout / "models/ranker").iterdir()] == ["note.txt"]
