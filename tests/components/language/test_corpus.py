"""The corpus has only texts from before the cut; held-out texts occur nowhere else."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import EVENTS, Catalogue, Interactions
from components.data.tables import SplitInfo
from components.language.corpus import Corpus, bought_together, build_corpus, read_corpus
from components.times import DAY_US

TITLES = ["red tea pot", "红茶壶", "sock"]


def words_of(corpus: Corpus, kind: str) -> set[tuple[str, str]]:
    rows = corpus.pairs.get(kind, np.zeros((0, 2), np.int64))
    return {(corpus.texts[a], corpus.texts[b]) for a, b in rows}


def write_world(root: Path, protocol: str = "global_time") -> None:
    """Three products; on days 1 and 11 a review, a search and a purchase; training ends on day 10."""
    for table in ("reviews", "searches"):
        (root / "snapshot" / table).mkdir(parents=True)
    times = pa.array([datetime(1970, 1, d, tzinfo=UTC).replace(tzinfo=None) for d in (2, 12)], pa.timestamp("us"))
    reviews = {"user_id": ["u", "u"], "item_id": ["a", "b"], "rating": [5.0, 1.0], "text": ["early", "late"]}
    searches = {"user_id": ["u", "u"], "query": ["pot for tea", "future"], "clicked_item_id": ["a", "b"]}
    for table, rows in (("reviews", reviews), ("searches", searches)):
        content = pa.table(rows | {"timestamp": times})
        pq.write_table(content, root / "snapshot" / table / "part-0.parquet", write_page_checksum=True)
    (root / "split").mkdir()
    items = {
        "item_idx": [1, 2, 3], "item_id": ["a", "b", "c"], "title": TITLES, "description": ["holds tea", None, None],
        "brand": [""] * 3, "category": [""] * 3, "language": ["en", "zh", "en"], "price": [1.0, 2.0, 3.0],
    }  # fmt: skip
    pq.write_table(pa.table(items), root / "split/items.parquet", write_page_checksum=True)
    events = pa.table(
        {
            "user_idx": pa.array([1, 1, 1], pa.int32()),
            "item_idx": pa.array([1, 3, 2], pa.int32()),
            "timestamp": pa.array([DAY_US, 2 * DAY_US, 3 * DAY_US], pa.int64()),
            "event": pa.array([EVENTS.index("purchase"), EVENTS.index("view"), EVENTS.index("purchase")], pa.int8()),
            "weight": pa.array([1.0, 0.3, 1.0], pa.float32()),
            "target": [True, False, True],
        }
    )
    pq.write_table(events, root / "split/train.parquet", write_page_checksum=True)
    info = SplitInfo(
        protocol=protocol, train_end=10 * DAY_US, validation_end=20 * DAY_US, test_end=30 * DAY_US, n_users=1,
        n_items=3, max_history=50, simulated=True,
    )  # fmt: skip
    (root / "split/split.json").write_text(info.model_dump_json())


def test_the_corpus_has_no_text_after_the_training_window(tmp_path: Path) -> None:
    write_world(tmp_path)
    corpus = read_corpus(tmp_path / "snapshot", tmp_path / "split", ["purchase"], 0.0, 1)
    pot = "red tea pot. holds tea"
    assert {corpus.texts[i] for i in corpus.language} == {pot, "红茶壶", "sock", "early", "pot for tea"}
    assert words_of(corpus, "title-description") == {("red tea pot", "holds tea")}
    assert words_of(corpus, "query-click") == {("pot for tea", pot)}
    assert words_of(corpus, "bought-together") == {(pot, "红茶壶")}  # the sock was only viewed


def test_of_products_alone_nothing_that_users_wrote_searched_or_bought_is_used(tmp_path: Path) -> None:
    write_world(tmp_path)
    corpus = read_corpus(tmp_path / "snapshot", tmp_path / "split", ["purchase"], 0.0, 1, of_products=True)
    assert {corpus.texts[i] for i in corpus.language} == {"red tea pot. holds tea", "红茶壶", "sock"}
    assert set(corpus.pairs) == {"title-description"}


def test_leave_one_out_uses_no_reviews_and_searches(tmp_path: Path) -> None:
    write_world(tmp_path, "leave_one_out")
    corpus = read_corpus(tmp_path / "snapshot", tmp_path / "split", ["purchase"], 0.0, 1)
    assert not {"early", "late", "pot for tea", "future"} & set(corpus.texts)
    assert set(corpus.pairs) == {"title-description", "bought-together"}


def test_held_out_texts_are_not_in_the_training_data() -> None:
    texts = [f"text {i}" for i in range(400)]
    pairs = {"title-description": [(f"text {i}", f"text {i + 1}") for i in range(399)]}
    corpus = build_corpus(texts, pairs, 0.1, seed=1)
    held = set(corpus.held_out.tolist())
    assert 20 < len(held) < 60
    assert not held & set(corpus.language.tolist())
    assert not held & set(corpus.pairs["title-description"].ravel().tolist())
    assert len(corpus.language) + len(held) == 400
    assert corpus.held_out.tolist() != sorted(held)  # in random order
    more = build_corpus([*texts, "new"], pairs, 0.1, seed=1)
    assert {corpus.texts[i] for i in held} == {more.texts[i] for i in more.held_out} - {"new"}
    assert corpus.held_out.tolist() != build_corpus(texts, pairs, 0.1, seed=2).held_out.tolist()


def test_texts_are_normalised_and_empty_sides_left_out() -> None:
    corpus = build_corpus(["ＡＢ", "AB ", ""], {"query-click": [("AB", ""), ("x", "x"), ("q", "<b>AB</b>")]}, 0.0, 1)
    assert corpus.texts == ["AB", "q", "x"]
    assert words_of(corpus, "query-click") == {("q", "AB")}
    assert build_corpus(["a"], {}, 0.0, 1).pairs == {}


def test_bought_together_pairs_are_of_one_user() -> None:
    n = 5
    items = Catalogue([""], [""], ["", "one", "two", "three"], [""], [""], [""], np.zeros(4, np.float32))
    interactions = Interactions(
        user_idx=np.array([0, 0, 1, 1, 2], np.int32), item_idx=np.array([1, 2, 1, 3, 2], np.int32),
        timestamp=np.arange(n, dtype=np.int64), event=np.full(n, EVENTS.index("purchase"), np.int8),
        weight=np.ones(n, np.float32), n_users=2, n_items=3, now=n,
    )  # fmt: skip
    assert bought_together(interactions, items, ["purchase"]) == [("one", "three")]
    assert bought_together(interactions, items, ["cart"]) == []
