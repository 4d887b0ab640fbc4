"""Clicks are counted by the words of their queries; words that may name a person are not stored."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.search.clicks import MIN_USERS, Click, ClickCounts, query_words, read_clicks
from components.times import to_micros


def test_each_word_of_a_query_counts_once_and_the_mean_is_over_the_words_asked() -> None:
    clicks = [Click("red teapot", 1, "a"), Click("Teapots teapot", 1, "b"), Click("red brush", 3, "a")]
    counts = ClickCounts.of(clicks, {"red", "teapot", "brush"})
    assert counts.words == ["brush", "red", "teapot"]
    assert counts.per_word("teapots", 4).tolist() == [0, 2, 0, 0, 0]
    assert counts.per_word("red teapot", 4).tolist() == [0, 1.5, 0, 0.5, 0]
    assert counts.per_word("red unknown", 4).tolist() == [0, 0.5, 0, 0.5, 0]
    assert not counts.per_word("", 4).any()


def test_chinese_queries_count_by_characters_and_pairs() -> None:
    counts = ClickCounts.of([Click("红茶壶", 2, "a")], set(query_words("红茶壶")))
    assert counts.per_word("茶壶", 3).tolist() == [0, 0, 1, 0]
    assert counts.per_word("茶杯", 3)[2] > 0
    assert not counts.per_word("画笔", 3).any()


def test_a_word_that_no_product_has_counts_only_when_several_users_asked_with_it() -> None:
    one = [Click("zhangsan", 1, "a")] * 20
    many = [Click("present", 1, f"u{n}") for n in range(MIN_USERS)]
    unknown = [Click("secret", 1, "")] * 20
    assert ClickCounts.of([*one, *many, *unknown], {"teapot"}).words == ["present"]
    assert ClickCounts.of(many[1:], {"teapot"}).words == []


def test_no_clicks_give_an_index_without_words() -> None:
    counts = ClickCounts.of([], {"teapot"})
    assert counts.starts.tolist() == [0]
    assert not counts.per_word("teapot", 3).any()


def write_searches(snapshot: Path, rows: list[tuple[str | None, str | None, str | None, int]]) -> None:
    query, item, user, day = zip(*rows, strict=True)
    times = pa.array([datetime(2026, 1, d, tzinfo=UTC) for d in day], pa.timestamp("us", tz="UTC"))
    table = pa.table({"query": query, "clicked_item_id": item, "user_id": user, "timestamp": times})
    (snapshot / "searches/month=2026-01").mkdir(parents=True)
    pq.write_table(table, snapshot / "searches/month=2026-01/part.parquet")


def test_searches_with_a_click_on_a_known_product_are_read_in_order(tmp_path: Path) -> None:
    write_searches(
        tmp_path,
        [("b", "p2", "u", 3), ("a", "p1", None, 2), ("late", "p1", "u", 9), ("x", "gone", "u", 3), ("y", None, "u", 3)],
    )
    start, end = (to_micros(datetime(2026, 1, day, tzinfo=UTC)) for day in (2, 9))
    assert read_clicks(tmp_path, {"p1": 1, "p2": 2}, start, end) == [Click("a", 1, ""), Click("b", 2, "u")]
    assert read_clicks(tmp_path / "nowhere", {"p1": 1}, start, end) == []
