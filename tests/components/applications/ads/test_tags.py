"""Interests become tags of each level."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.applications.ads.tags import interest_tags, labels_of, read_interest_tags

INTERESTS = [{"name": "Outdoor > Tents", "share": 0.5}, {"name": "Outdoor > Stoves", "share": 0.2},
             {"name": "Books", "share": 0.05}]  # fmt: skip


def test_levels_sum_what_is_below_them() -> None:
    tags = interest_tags(INTERESTS, 0.1)
    assert tags == {
        "Outdoor": pytest.approx(0.7), "Outdoor > Stoves": pytest.approx(0.2), "Outdoor > Tents": pytest.approx(0.5)
    }  # fmt: skip


def test_a_user_without_interests_has_no_tags() -> None:
    assert interest_tags(None, 0.1) == interest_tags([], 0.1) == {}


def test_labels() -> None:
    assert labels_of(["Outdoor"], ["Lapsed"]) == {"tag:outdoor", "segment:lapsed"}


def test_tags_of_all_users_are_sorted(tmp_path: Path) -> None:
    rows = [{"user_id": "u2", "categories": INTERESTS}, {"user_id": "u1", "categories": None}]
    kind = pa.list_(pa.struct([("name", pa.string()), ("share", pa.float64())]))
    schema = pa.schema([("user_id", pa.string()), ("categories", kind)])
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "users.parquet", write_page_checksum=True)
    table = read_interest_tags(tmp_path / "users.parquet", 0.1)
    assert table.column_names == ["user_id", "tag", "share"]
    assert table["tag"].to_pylist() == ["Outdoor", "Outdoor > Stoves", "Outdoor > Tents"]
    assert set(table["user_id"].to_pylist()) == {"u2"}
