"""Reviews before the cut teach a head, which hears those without stars, in both languages; later ones stay unread."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components import params
from components.data import tables
from components.data.partitions import partitions
from components.language.encoder import Encoder, resolve_model
from components.language.reviews import ReviewSentiment, score_reviews
from components.language.text import is_chinese
from components.stages import ingest, resolve, split
from components.times import to_datetime, to_naive_utc
from tests.components.stages.support import enter_checkout

SMALL = "shop.n_users=700\nshop.n_items=100\nlanguage.max_tokens=24\nlanguage.threads=1"
_encoder: list[Encoder] = []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a shop in which one review of three has no stars; what they would have been is in stars.parquet."""
    with pytest.MonkeyPatch.context() as patch:
        folder = enter_checkout(tmp_path_factory.mktemp("made"), SMALL, patch)
        for stage in (resolve, ingest, split):
            stage.main()
        kept = []
        for path in partitions(Path("data/snapshot"), "reviews"):
            rows = pq.ParquetFile(path).read()
            silent = np.arange(len(rows)) % 3 == 0
            kept.append(rows.filter(silent).select(["text", "rating", "timestamp"]))
            stars = pc.if_else(silent, pa.scalar(None, pa.float64()), rows["rating"])
            rows = rows.set_column(rows.column_names.index("rating"), "rating", stars)
            pq.write_table(rows, path, write_page_checksum=True)
        pq.write_table(pa.concat_tables(kept), "stars.parquet")
    return folder


@pytest.fixture
def checkout(made: Path, enter: Callable[[str], Path]) -> Path:
    """Stand in a copy."""
    return Path(shutil.copytree(made, enter(SMALL), dirs_exist_ok=True))


def judged(**changes: object) -> ReviewSentiment:
    language = params.load(Path("run/params.yaml")).language
    if not _encoder:
        _encoder.append(Encoder.load(resolve_model("minilm"), language))
    knobs = language.sentiment.model_copy(update=changes)
    return score_reviews(Path("data/snapshot"), Path("data/split"), _encoder[0], knobs, Path("embeddings"))


@pytest.mark.parametrize("chinese", [False, True])
def test_what_has_no_stars_is_heard_in_both_languages(checkout: Path, chinese: bool) -> None:
    came = judged()
    assert came.head is not None
    assert came.metrics["sentiment/auc"] > 0.8
    said = dict(zip(came.unrated["text"].to_pylist(), came.unrated["sentiment"].to_pylist(), strict=True))
    end = to_naive_utc(to_datetime(tables.read_info(Path("data/split")).train_end))
    rows = pq.read_table("stars.parquet").to_pylist()
    rows = [r for r in rows if r["text"] and is_chinese(r["text"]) == chinese]
    past = [r for r in rows if r["timestamp"] < end]
    glad, sad = ([said[r["text"]] for r in past if low <= r["rating"] <= high] for low, high in ((4, 5), (1, 2)))
    assert min(len(glad), len(sad)) >= 5
    assert np.mean(glad) > np.mean(sad) + 0.3


def test_later_reviews_are_neither_learned_from_nor_read(checkout: Path) -> None:
    before = judged()
    end = tables.read_info(Path("data/split")).train_end
    changed = 0
    for path in partitions(Path("data/snapshot"), "reviews"):
        rows = pq.ParquetFile(path).read()
        late = rows["timestamp"].cast("int64").to_numpy() >= end
        changed += int(late.sum())
        texts = [f"later {i}" if is_late else text for i, (text, is_late) in
                 enumerate(zip(rows["text"].to_pylist(), late, strict=True))]  # fmt: skip
        stars = pc.if_else(late, 6.0, rows["rating"])
        rows = rows.set_column(rows.column_names.index("text"), "text", pa.array(texts))
        rows = rows.set_column(rows.column_names.index("rating"), "rating", stars)
        pq.write_table(rows, path, write_page_checksum=True)
    assert changed > 5
    after = judged()
    assert after.unrated.equals(before.unrated)
    assert after.metrics == before.metrics


def test_too_little_gives_a_note_and_no_fault(checkout: Path) -> None:
    came = judged(min_reviews=10_000)
    assert came.head is None
    assert "expected 10000 reviews" in came.reason
    assert len(came.unrated) == 0
    path = Path("data/split/split.json")
    info = tables.SplitInfo.model_validate_json(path.read_text())
    path.write_text(info.model_copy(update={"protocol": "leave_one_out"}).model_dump_json())
    assert "cut per user" in judged().reason
