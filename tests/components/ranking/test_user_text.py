"""A user's text, by hand: newest first, each once, without texts from the end of the training window or later."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ranking.user_text import user_texts
from components.times import DAY_US, to_micros
from tests.components.release.support import write_items
from tests.support import checkerboard

END = datetime(2026, 1, 1, tzinfo=UTC)


def days(*before: float) -> pa.Array:
    """Return times, given in days before the end of the training window."""
    return pa.array([END - timedelta(days=d) for d in before], pa.timestamp("us", "UTC"))


def write(path: Path, **columns: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, write_page_checksum=True)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """Return a split of two users: one took items 1 to 8, one per day; the other took none."""
    folder = tmp_path / "split"
    write_items(folder, checkerboard()[1])
    end = to_micros(END)
    times = {"train_end": end, "validation_end": end + 1, "test_end": end + 2}
    sizes = {"n_users": 2, "n_items": 20, "max_history": 50}
    (folder / "split.json").write_text(json.dumps({"protocol": "global_time", "simulated": True, **times, **sizes}))
    write(folder / "users.parquet", user_idx=pa.array([1, 2], pa.int32()), user_id=["a", "b"])
    write(
        folder / "train.parquet",
        user_idx=pa.array([1] * 8, pa.int32()),
        item_idx=pa.array(range(1, 9), pa.int32()),
        timestamp=[end - DAY_US * d for d in range(8, 0, -1)],
        event=pa.array([2] * 8, pa.int8()),
        weight=pa.array([1.0] * 8, pa.float32()),
    )
    return folder


def test_a_text_has_the_newest_searches_review_and_titles(split: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    write(
        snapshot / "searches/2026.parquet",
        user_id=["a"] * 6 + ["stranger"],
        query=["oldest", "third", "second", "second", "at the end", "later", "other"],
        timestamp=days(9, 3, 2, 1, 0, -1, 1),
    )
    write(
        snapshot / "reviews/2026.parquet",
        user_id=["a", "a", "a", "b"],
        text=["old words", "new words", "later words", None],
        timestamp=days(5, 4, -1, 1),
    )
    titles = checkerboard()[1].title
    newest = [titles[item] for item in (8, 7, 6, 5, 4, 3)]
    assert user_texts(snapshot, split) == ["", ". ".join(["second", "third", "new words", *newest]), ""]


def test_texts_of_a_shop_without_searches_and_reviews_are_titles(split: Path, tmp_path: Path) -> None:
    first, one, two = user_texts(tmp_path / "none", split)
    assert (first, two) == ("", "")
    assert one.split(". ")[0] == checkerboard()[1].title[8]
