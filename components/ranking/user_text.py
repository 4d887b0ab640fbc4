"""A user as a text, for the article's network: titles of the newest products, and what was searched for last."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.contracts import Interactions
from components.data.snapshot import partitions
from components.data.tables import read_catalogue, read_info, read_interactions

SEARCHES, TITLES = 3, 6  # newest ones that a text holds: about as much as a language model reads of it


def user_texts(snapshot: Path, split: Path) -> list[str]:
    """Return (n_users + 1) texts of what each user did before the end of the training window; "" for nobody."""
    events, titles = read_interactions(split), read_catalogue(split).title
    said = _searches(snapshot, split)
    texts = [""]
    for user in range(1, events.n_users + 1):
        taken = dict.fromkeys(titles[item] for item in _newest(events, user))
        texts.append(". ".join(part for part in (*said.get(user, []), *taken) if part))
    return texts


def _newest(events: Interactions, user: int) -> list[int]:
    """Return the user's newest items, newest first."""
    start, end = np.searchsorted(events.user_idx, (user, user + 1))
    items: list[int] = events.item_idx[max(start, end - TITLES) : end][::-1].tolist()
    return items


def _searches(snapshot: Path, split: Path) -> dict[int, list[str]]:
    """Return each user's newest queries, newest first."""
    import duckdb

    files = [str(path) for path in partitions(snapshot, "searches")]
    if not files:
        return {}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(
            "SELECT user_idx, list(query ORDER BY timestamp DESC, query)[:$1] FROM read_parquet($2) s "
            "JOIN read_parquet($3) u USING (user_id) WHERE epoch_us(timestamp) < $4 GROUP BY user_idx",
            [SEARCHES, files, str(split / "users.parquet"), read_info(split).train_end],
        ).fetchall()
    return dict(rows)
