"""How often each product was clicked after queries with a word: what shoppers meant by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from components.contracts import FloatArray, IntArray, TimeArray
from components.language.words import split_words
from components.ragged import offsets_of
from components.search.stemming import stem

MIN_USERS = 5  # who asked with a word that no product has; a word of fewer may name a person, and is not stored
MAX_CLICKS = 1_000_000  # the newest


class Click(NamedTuple):
    """A search that led to a click."""

    query: str
    item_idx: int
    user_id: str  # "" where unknown; never stored in an index


@dataclass(frozen=True)
class ClickCounts:
    """Clicks by word: row i is [starts[i]:starts[i + 1]] of items and counts."""

    words: list[str]  # stems, ascending
    starts: TimeArray  # (n_words + 1,)
    items: IntArray  # (n,) item_idx, ascending within a word
    counts: FloatArray  # (n,)

    @classmethod
    def of(cls, clicks: Sequence[Click], catalogue_words: Collection[str]) -> Self:
        """Count the clicks by the words of their queries; each word of a query counts once.

        catalogue_words: the stems that products have. Of other words, those of at least MIN_USERS users count.
        """
        found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        askers: dict[str, set[str]] = defaultdict(set)
        for click in clicks:
            for word in query_words(click.query):
                found[word][click.item_idx] += 1
                if word not in catalogue_words and len(askers[word]) < MIN_USERS:
                    askers[word].add(click.user_id)
        words = sorted(w for w in found if w in catalogue_words or len(askers[w] - {""}) >= MIN_USERS)
        rows = [sorted(found[word].items()) for word in words]
        pairs = np.array([pair for row in rows for pair in row], dtype=np.int32).reshape(-1, 2)
        starts = offsets_of(np.array([len(row) for row in rows], dtype=np.int64))
        return cls(words, starts, np.ascontiguousarray(pairs[:, 0]), pairs[:, 1].astype(np.float32))

    def per_word(self, query: str, n_items: int) -> FloatArray:
        """Return (n_items + 1,) each product's clicks after queries with a word of this one, mean over its words."""
        words = query_words(query)
        total = np.zeros(n_items + 1, dtype=np.float32)
        for word in words:
            row = self._rows.get(word)
            if row is not None:
                part = slice(self.starts[row], self.starts[row + 1])
                total[self.items[part]] += self.counts[part]
        return total / np.float32(max(1, len(words)))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}


def query_words(query: str) -> list[str]:
    """Return the distinct stems of a query's words, without stop words."""
    return list(dict.fromkeys(stem(word.text) for word in split_words(query) if not word.is_stop))


def read_clicks(snapshot: Path, index: dict[str, int], start: int, end: int) -> list[Click]:
    """Return the newest MAX_CLICKS searches of start <= timestamp < end (us) with a click on a known product.

    In the order of their times. index: item_id -> item_idx.
    """
    import duckdb

    from components.data.partitions import partitions

    files = [str(file) for file in partitions(snapshot, "searches")]
    if not files:
        return []
    rows = duckdb.execute(
        "SELECT query, clicked_item_id, user_id FROM (FROM read_parquet($1, hive_partitioning = false) "
        "WHERE clicked_item_id IS NOT NULL AND query IS NOT NULL AND epoch_us(timestamp) >= $2 "
        "AND epoch_us(timestamp) < $3 ORDER BY timestamp DESC, query, clicked_item_id, user_id LIMIT $4) "
        "ORDER BY timestamp, query, clicked_item_id, user_id",
        [files, start, end, MAX_CLICKS],
    ).fetchall()
    return [Click(query, index[item], user or "") for query, item, user in rows if item in index]
