"""A user as a text, for the article's network: newest searches and review, titles of the newest products."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.contracts import Interactions
from components.data.partitions import partitions
from components.data.tables import read_catalogue, read_info, read_interactions

SEARCHES, REVIEWS, TITLES = 3, 1, 6  # newest ones in a text: about the length that a language model reads


def user_texts(snapshot: Path, split: Path) -> list[str]:
    """Return (n_users + 1) texts of each user's activity before the end of the training window; "" for user 0."""
    events, titles = read_interactions(split, ("train",)), read_catalogue(split).title
    searched = _newest_texts(snapshot, split, "searches", "query", SEARCHES)
    reviewed = _newest_texts(snapshot, split, "reviews", "text", REVIEWS)
    texts = [""]
    for user in range(1, events.n_users + 1):
        chosen = (titles[item] for item in _newest_items(events, user))
        parts = dict.fromkeys((*searched.get(user, []), *reviewed.get(user, []), *chosen))  # each once
        texts.append(". ".join(part for part in parts if part))
    return texts


def _newest_items(events: Interactions, user: int) -> list[int]:
    """Return the user's newest items, newest first."""
    start, end = np.searchsorted(events.user_idx, (user, user + 1))
    items: list[int] = events.item_idx[max(start, end - TITLES) : end][::-1].tolist()
    return items


def _newest_texts(snapshot: Path, split: Path, table: str, column: str, newest: int) -> dict[int, list[str]]:
    """Return the newest texts of each user in a column of a table, newest first."""
    import duckdb

    files = [str(path) for path in partitions(snapshot, table)]
    if not files:
        return {}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.read_parquet(files).project(f"user_id, timestamp, {column} AS words").create("texts")
        rows = connection.execute(
            "SELECT user_idx, list(words ORDER BY timestamp DESC, words)[:$1] FROM texts "
            "JOIN read_parquet($2) USING (user_id) WHERE epoch_us(timestamp) < $3 AND words <> '' GROUP BY user_idx",
            [newest, str(split / "users.parquet"), read_info(split).train_end],
        ).fetchall()
    return dict(rows)
