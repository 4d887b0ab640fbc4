"""Interleaving of two files of lists: merged lists to show, and the preference that clicks on them reveal."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.contracts import Record
from components.data.flat_files import read_flat_file, require_columns
from components.errors import ContractError
from components.experiments.interleaving import Interleaved, estimate_preference, team_draft

COLUMNS = ("user_id", "position", "item_id")  # of a list, as `carousel export` writes it
SCHEMA = pa.schema([("user_id", pa.string()), ("position", pa.int32()), ("item_id", pa.string()), ("team", pa.int8())])
Lists = dict[str, list[str]]  # user_id -> item_ids, best first


class InterleavingReport(Record):
    """What `carousel experiment interleave` prints."""

    users: int  # with a merged list
    only_one: int  # users whose list is in one file alone; they are left out
    clicks: int  # on products of the merged lists
    other_clicks: int  # on other products, or by other users; they are no votes
    voters: int
    preference: float | None  # for the second file's lists, in [-1, 1]; None without clicks
    low: float | None  # of the always-valid interval; None while it is not finite
    high: float | None
    verdict: str  # first, second, not decided


def read_lists(path: Path) -> Lists:
    """Return the lists of a file; raises ContractError where a column is missing or a position is null."""
    table = read_flat_file(path, "lists", as_text=True)
    require_columns(table, list(COLUMNS), str(path))
    rows = table.select(COLUMNS).to_pylist()
    if any(row["position"] is None for row in rows):
        raise ContractError(f"{path}: expected a position (from 1) in every row, some are empty")
    lists: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row["position"])):
        lists[str(row["user_id"])].append(str(row["item_id"]))
    return dict(lists)


def merge_lists(one: Lists, other: Lists, k: int, seed: str) -> dict[str, Interleaved]:
    """Return the merged list of each user of both, in the order of their ids; the same seed gives the same lists."""
    return {user: team_draft(one[user], other[user], k, f"{seed}/{user}") for user in sorted(one.keys() & other.keys())}


def to_table(merged: dict[str, Interleaved]) -> pa.Table:
    """Return the merged lists in SCHEMA; team 0: the first file's product, 1: the second's."""
    rows = [
        {"user_id": user, "position": n, "item_id": item, "team": team}
        for user, interleaved in merged.items()
        for n, (item, team) in enumerate(zip(interleaved.items, interleaved.team, strict=True), start=1)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def judge_clicks(
    merged: dict[str, Interleaved], clicks: Path | None, only_one: int, alpha: float, target_users: int
) -> InterleavingReport:
    """Return the preference for the second list. clicks: a file with user_id and item_id; None: nobody clicked yet.

    A click on a product counts for the list that contributed it. Each user has one vote: the difference of the clicks
    on both, divided by their sum.
    """
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    others = 0
    for user, item in _read_clicks(clicks):
        teams = dict(zip(merged[user].items, merged[user].team, strict=True)) if user in merged else {}
        if item in teams:
            counts[user][teams[item]] += 1
        else:
            others += 1
    votes = np.array([(b - a) / (a + b) for a, b in counts.values()], np.float64)
    estimate = estimate_preference(votes, alpha, target_users)
    is_finite = bool(np.isfinite(estimate.low))
    return InterleavingReport(
        users=len(merged),
        only_one=only_one,
        clicks=sum(map(sum, counts.values())),
        other_clicks=others,
        voters=len(votes),
        preference=float(estimate.value) if len(votes) else None,
        low=estimate.low if is_finite else None,
        high=estimate.high if is_finite else None,
        verdict={1: "second", -1: "first", 0: "not decided"}[estimate.sign],
    )


def _read_clicks(path: Path | None) -> list[tuple[str, str]]:
    if path is None:
        return []
    table = read_flat_file(path, "clicks", as_text=True)
    require_columns(table, ["user_id", "item_id"], str(path))
    rows = zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True)
    return [(str(user), str(item)) for user, item in rows]
