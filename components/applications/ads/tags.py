"""Interest tags of users: the category paths that a profile's interests name, with the levels above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.applications.ads.targeting import Labels, label
from components.contracts import LEVEL

Interests = Sequence[Mapping[str, Any]]  # name and share, as in the column `categories` of a profile


def interest_tags(categories: Interests | None, min_share: float) -> dict[str, float]:
    """Return tag -> share of the user's interest, in [0, 1], of each category and of each level above it.

    The share of a level is the sum over the categories below it. Tags below min_share are left out.
    """
    shares: dict[str, float] = {}
    for interest in categories or ():
        levels = str(interest["name"]).split(LEVEL)
        for depth in range(1, len(levels) + 1):
            tag = LEVEL.join(levels[:depth]).strip()
            shares[tag] = shares.get(tag, 0.0) + float(interest["share"])
    return {tag: min(share, 1.0) for tag, share in sorted(shares.items()) if tag and share >= min_share}


def labels_of(tags: Iterable[str], segments: Iterable[str]) -> Labels:
    """Return the labels of a user that targeting compares."""
    return frozenset([*(label("tag", tag) for tag in tags), *(label("segment", name) for name in segments)])


def read_interest_tags(profiles: Path, min_share: float) -> pa.Table:
    """Return user_id, tag, share of all users, sorted. profiles: users.parquet of the stage `profile`."""
    table = pq.read_table(profiles, columns=["user_id", "categories"], page_checksum_verification=True)
    rows = [
        (user_id, tag, share)
        for user_id, categories in zip(table["user_id"].to_pylist(), table["categories"].to_pylist(), strict=True)
        for tag, share in interest_tags(categories, min_share).items()
    ]
    users, tags, shares = zip(*sorted(rows), strict=True) if rows else ((), (), ())
    return pa.table({
        "user_id": pa.array(users, pa.string()),
        "tag": pa.array(tags, pa.string()),
        "share": pa.array(shares, pa.float64()),
    })  # fmt: skip
