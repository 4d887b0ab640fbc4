"""A head trained on rated reviews before the cut scores unrated ones in both languages; later reviews are not used."""

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
    """Return a shop in which one review of three has no rating; the removed ratings are in stars.parquet."""
    with pytest.MonkeyPatch.context() as patch:
        folder = enter_checkout(tmp_path_factory.mktemp("made"), SMALL, patch)
        for stage in (resolve, ingest, split):
            stage.main()
        parts = []
        for path in partitions(Path("data/snapshot"), "reviews"):
            rows = pq.ParquetFile(path).read()
            silent = np.arange(len(rows)) % 3 == 0
            parts.append(rows.filter(silent).select(["text", "rating", "timestamp"]))
            stars = pc.if_else(silent, pa.scalar(None, pa.float64()), rows["rating"])
            rows = rows.set_column(rows.column_names.index("rating"), "rating", stars)
            pq.write_table(rows, path, write_page_checksum=True)
        pq.write_table(pa.concat_tables(parts), "stars.parquet")
    return folder


@pytest.fixture
def checkout(made: Path, enter: Callable[[str], Path]) -> Path:
    """Change into a copy of the shop."""
    return Path(shutil.copytree(made, enter(SMALL), dirs_exist_ok=True))


def score(**changes: object) -> ReviewSentiment:
    language = params.load(Path("run/params.yaml")).language
    if not _encoder:
        _encoder.append(Encoder.load(resolve_model("minilm"), language))
    section = language.sentiment.model_copy(update=changes)
    return score_reviews(Path("data/snapshot"), Path("data/split"), _encoder[0], section, Path("embeddings"))


@pytest.mark.parametrize("chinese", [False, True])
def test_unrated_reviews_are_scored_in_both_languages(checkout: Path, chinese: bool) -> None:
    result = score()
    assert result.head is not None
    assert result.metrics["sentiment/auc"] > 0.8
    scores = dict(zip(result.unrated["text"].to_pylist(), result.unrated["sentiment"].to_pylist(), strict=True))
    end = to_naive_utc(to_datetime(tables.read_info(Path("data/split")).train_end))
    rows = pq.read_table("stars.parquet").to_pylist()
    rows = [r for r in rows if r["text"] and is_chinese(r["text"]) == chinese]
    past = [r for r in rows if r["timestamp"] < end]
    glad, sad = ([scores[r["text"]] for r in past if low <= r["rating"] <= high] for low, high in ((4, 5), (1, 2)))
    assert min(len(glad), len(sad)) >= 5
    assert np.mean(glad) > np.mean(sad) + 0.3


def test_later_reviews_are_neither_trained_on_nor_scored(checkout: Path) -> None:
    before = score()
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
    after = score()
    assert after.unrated.equals(before.unrated)
    assert after.metrics == before.metrics


def test_too_few_reviews_give_a_reason_and_no_error(checkout: Path) -> None:
    result = score(min_reviews=10_000)
    assert result.head is None
    assert "expected 10000 reviews" in result.reason
    assert len(result.unrated) == 0
    path = Path("data/split/split.json")
    info = tables.SplitInfo.model_validate_json(path.read_text())
    path.write_text(info.model_copy(update={"protocol": "leave_one_out"}).model_dump_json())
    assert "cut per user" in score().reason
