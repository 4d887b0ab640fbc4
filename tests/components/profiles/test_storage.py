"""The files of profiles/ from snapshot, split and features."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts import TABLES
from components.data.snapshot import SnapshotInfo
from components.data.split import make_split
from components.data.tables import read_catalogue
from components.errors import ContractError
from components.params import load
from components.profiles.live import ItemAttributes, item_attributes
from components.profiles.storage import write_profiles
from tests.components.profiles.small import CUT, ROOT, arrow, day, event, product, profile_params
from tests.components.stages.support import no_reviews

AS_OF = CUT + timedelta(days=28)
ROWS: dict[str, list[dict[str, Any]]] = {
    "products": [
        product("pan", 10.0, "Kitchen", brand="Lumora"),
        product("茶", 5.0),
        product("new", timestamp=day(120)),
    ],
    "events": [
        event("ann", "pan", 40, "purchase", price=10.0, quantity=1.0),
        event(None, "pan", 41, "view"),
        event("ann", "茶", 50, "purchase", price=5.0),
        event("ann", "茶", 70, "view"),
        event("ann", "pan", 110, "purchase", price=10.0),
        event("bob", "pan", 120, "purchase", price=10.0),
    ],
    "reviews": [
        {"user_id": "ann", "item_id": "pan", "timestamp": day(45), "rating": 5.0},
        {"user_id": "ann", "item_id": "茶", "timestamp": day(75), "rating": 1.0},
    ],
    "searches": [{"user_id": "ann", "timestamp": day(80), "query": "pan"}],
    "social": [
        {"user_id": "ann", "timestamp": day(95), "action": "follow", "other_id": "bob"},
        {"user_id": "ann", "timestamp": day(60), "action": "like"},
        {"user_id": "ann", "timestamp": day(101), "action": "like"},
    ],
}


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    for name in TABLES:
        folder = tmp_path / "snapshot" / name
        folder.mkdir(parents=True)
        pq.write_table(arrow(name, ROWS[name]), folder / "part-0.parquet", write_page_checksum=True)
    info = SnapshotInfo(as_of=AS_OF.isoformat(), simulated=False, counts={})
    (tmp_path / "snapshot/snapshot.json").write_text(info.model_dump_json())
    return tmp_path / "snapshot"


def profile(
    snapshot: Path, protocol: str = "global_time", memory_gib: float = 1, sentiments: dict[str, float] | None = None
) -> dict[str, Any]:
    """Split, build the profiles, and return ann's; the files are in ../profiles. `sentiments`: text -> sentiment."""
    split, out = snapshot.parent / "split", snapshot.parent / "profiles"
    no_reviews(snapshot.parent / "features")
    if sentiments:
        scores = pa.table({"text": list(sentiments), "sentiment": list(sentiments.values())})
        pq.write_table(scores, snapshot.parent / "features/reviews.parquet", write_page_checksum=True)
    for folder in (split, out):
        folder.mkdir(exist_ok=True)
    split_params = load(ROOT / "params.yaml", overrides=[f"split.protocol={protocol}"]).split
    make_split(snapshot, split, split_params, AS_OF, 1)
    write_profiles(snapshot, split, snapshot.parent / "features", out, profile_params(), memory_gib)
    rows = pq.read_table(out / "users.parquet", page_checksum_verification=True).to_pylist()
    return {row["user_id"]: row for row in rows}["ann"]


def test_profiles_end_with_the_train_window(snapshot: Path) -> None:
    ann = profile(snapshot)
    assert (ann["frequency"], ann["value"], ann["n_reviews"], ann["n_searches"]) == (2, 15.0, 2, 1)
    assert ann["recency_days"] == 30.0  # the train window ends on day 100
    assert (ann["social_7d"], ann["social_90d"], ann["n_social"]) == (1, 2, 2)
    out = snapshot.parent / "profiles"
    assert pq.read_table(out / "users.parquet")["user_id"].to_pylist() == ["ann"]
    assert pq.read_table(out / "items.parquet")["item_id"].to_pylist() == ["pan", "茶"]
    assert item_attributes(read_catalogue(snapshot.parent / "split")) == {
        "pan": ItemAttributes("Kitchen", "Lumora", 0.5),
        "茶": ItemAttributes(None, None, None),
        "new": ItemAttributes(None, None, None),
    }


def test_leave_one_out_drops_rows_since_the_first_held_out_event(snapshot: Path) -> None:
    """ann's purchases of days 50 and 110 are validation and test: only day 40 and the review of day 45 stay."""
    ann = profile(snapshot, "leave_one_out")
    assert (ann["frequency"], ann["value"], ann["view_90d"]) == (1, 10.0, 0)
    assert (ann["n_reviews"], ann["sentiment"], ann["n_searches"], ann["n_social"]) == (1, 1.0, 0, 0)
    assert ann["recency_days"] == 88.0


def test_a_review_without_a_rating_counts_by_its_text(snapshot: Path) -> None:
    """Three reviews: 5 stars, whose text does not count; no rating, scored 0.2; neither rating nor text."""
    review = {"text": "fine", "user_id": "ann", "item_id": "pan"}
    reviews = [
        review | {"timestamp": day(45), "rating": 5.0},
        review | {"timestamp": day(46), "rating": None},
        review | {"timestamp": day(47), "rating": None, "text": None},
    ]
    pq.write_table(arrow("reviews", reviews), snapshot / "reviews/part-0.parquet", write_page_checksum=True)
    ann = profile(snapshot, sentiments={"fine": 0.2})
    assert ann["sentiment"] == pytest.approx((1.0 + 0.2) / 2)
    assert ann["n_reviews"] == 3
    assert profile(snapshot)["sentiment"] == 1.0  # without scores only the rating counts


def test_equal_inputs_give_equal_bytes(snapshot: Path) -> None:
    profile(snapshot)
    first = {p.name: p.read_bytes() for p in (snapshot.parent / "profiles").iterdir()}
    profile(snapshot)
    assert {p.name: p.read_bytes() for p in (snapshot.parent / "profiles").iterdir()} == first
    assert set(first) == {"users.parquet", "items.parquet", "profiles.json"}


def test_a_missing_table_is_named(snapshot: Path) -> None:
    (snapshot / "reviews/part-0.parquet").unlink()
    with pytest.raises(ContractError, match="reviews: no Parquet file"):
        profile(snapshot)


def test_a_missing_output_of_encode_is_named(snapshot: Path) -> None:
    profile(snapshot)
    folders = (snapshot.parent / name for name in ("split", "nowhere", "profiles"))
    with pytest.raises(ContractError, match=r"nowhere/reviews\.parquet: not there; run the stage `encode`"):
        write_profiles(snapshot, *folders, profile_params(), 1)


def test_an_out_of_memory_error_says_what_to_do(snapshot: Path) -> None:
    with pytest.raises(ContractError, match=r"raise data\.memory_gib"):
        profile(snapshot, memory_gib=1e-6)
