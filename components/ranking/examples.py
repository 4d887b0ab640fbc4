"""Labelled examples: what a user was shown, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.contracts import EVENTS, BoolArray, FloatArray, IntArray, Interactions, TimeArray
from components.data.partitions import partitions
from components.data.tables import SplitInfo, read_info, read_interactions
from components.errors import ContractError
from components.params import RankingParams
from components.times import HOUR_US

TASKS: tuple[Literal["click", "cart", "purchase"], ...] = ("click", "cart", "purchase")  # a funnel
LEAST = 5  # examples of each task that a ranker takes
MEANS = {  # events that say so
    "click": ("click", "view", "cart", "purchase"),
    "cart": ("cart", "purchase"),
    "purchase": ("purchase",),
}
Labels = NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """One row for each product shown to a known user, in the order of time."""

    user: IntArray  # (n,) index in the split
    item: IntArray  # (n,)
    place: FloatArray  # (n,) in the list that was shown, 0 first; 0 where the shop does not say
    timestamp: TimeArray  # (n,)
    labels: Labels  # (n, len(TASKS)) 1 where it came to that

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.user)

    def take(self, rows: NDArray[np.int64] | BoolArray) -> Examples:
        """Return some of the rows."""
        labels = self.labels[rows]
        return Examples(self.user[rows], self.item[rows], self.place[rows], self.timestamp[rows], labels)


def read_examples(
    snapshot: Path, split: Path, window: str, params: RankingParams, seed: int, memory_gib: float
) -> Examples:
    """Return the examples of the window "validation" or "test", at most `max_examples`, drawn evenly.

    A shop that logs impressions gives what it showed. Any other gives what its users took, each beside
    `negatives` products that were drawn in proportion to sales^0.75 among those the user did not take.
    Raises ContractError where the split is leave-one-out, or nobody known did anything.
    """
    info = read_info(split)
    if info.protocol != "global_time":
        raise ContractError("ranker: expected split.protocol global_time; what was shown has no place in leave_one_out")
    found = _shown(snapshot, split, info, window, params, memory_gib)
    if not len(found):
        found = _drawn(read_interactions(split, (window,)), read_interactions(split), params, seed)
    if len(found) > params.max_examples:
        rng = np.random.default_rng([seed, len(found)])
        found = found.take(np.sort(rng.choice(len(found), params.max_examples, replace=False)))
    return found


def cut(examples: Examples, holdout_share: float) -> tuple[Examples, Examples, Examples]:
    """Return three parts by time: to learn from; of the newest share, a half to stop on and a half to calibrate on."""
    size = round(len(examples) * holdout_share / 2)
    ends = (len(examples) - 2 * size, len(examples) - size, len(examples))
    learn, stop, calibrate = (examples.take(np.arange(*part)) for part in ((0, ends[0]), ends[:2], ends[1:]))
    return learn, stop, calibrate


def lacking(learned: Examples, test: Examples, params: RankingParams) -> str:
    """Return why a ranker cannot be fitted and measured on these; "" where it can."""
    learn, stop, calibrate = cut(learned, params.holdout_share)
    needs = {"learn from": (learn, TASKS), "stop on": (stop, TASKS[:1]), "calibrate on": (calibrate, TASKS[:1])}
    for purpose, (part, tasks) in (needs | {"measure on": (test, TASKS)}).items():
        for task, positives in zip(tasks, part.labels.sum(axis=0).astype(int), strict=False):
            if not LEAST <= positives < len(part):
                return f"{positives} of {len(part)} examples to {purpose} are a {task}; expected {LEAST} or more"
    return ""


def _shown(
    snapshot: Path, split: Path, info: SplitInfo, window: str, params: RankingParams, memory_gib: float
) -> Examples:
    """Return the impressions of the window; an action belongs to the item's newest one within attribution_hours."""
    import duckdb

    start = info.starts(window)
    end = {"validation": info.validation_end, "test": info.test_end}[window]
    with duckdb.connect(config={"memory_limit": f"{memory_gib}GiB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        connection.execute(
            "CREATE TABLE e AS SELECT u.user_idx, i.item_idx, epoch_us(e.timestamp) AS t, e.event, "
            "e.position - min(e.position) OVER () AS place FROM read_parquet($1) e "
            "JOIN read_parquet($2) u USING (user_id) JOIN read_parquet($3) i USING (item_id) "
            "WHERE epoch_us(e.timestamp) >= $4 AND epoch_us(e.timestamp) < $5",
            [[str(p) for p in partitions(snapshot, "events")], str(split / "users.parquet"),
             str(split / "items.parquet"), start, end],
        )  # fmt: skip
        rows = connection.execute(
            "WITH shown AS (SELECT user_idx, item_idx, t, coalesce(min(place), 0) AS place FROM e "
            "WHERE event = 'impression' GROUP BY user_idx, item_idx, t), "
            "came AS (SELECT s.user_idx, s.item_idx, s.t, a.event FROM (FROM e WHERE event <> 'impression') a "
            "ASOF JOIN shown s ON a.user_idx = s.user_idx AND a.item_idx = s.item_idx AND a.t >= s.t "
            "WHERE a.t < s.t + $1) "
            "SELECT user_idx, item_idx, t, any_value(place) AS place, "
            "bool_or(event IN ('click', 'view', 'cart', 'purchase')) AS click, "
            "bool_or(event IN ('cart', 'purchase')) AS cart, bool_or(event = 'purchase') AS purchase "
            "FROM shown LEFT JOIN came USING (user_idx, item_idx, t) "
            "GROUP BY user_idx, item_idx, t ORDER BY t, user_idx, item_idx",
            [round(params.attribution_hours * HOUR_US)],
        ).fetchnumpy()
    labels = np.stack([np.ma.filled(rows[task], False) for task in TASKS], axis=1).astype(np.float32)
    user, item = (np.asarray(rows[name], np.int32) for name in ("user_idx", "item_idx"))
    return Examples(user, item, np.asarray(rows["place"], np.float32), np.asarray(rows["t"], np.int64), labels)


def _drawn(taken: Interactions, before: Interactions, params: RankingParams, seed: int) -> Examples:
    """Return what known users took in the window, each followed by products that they did not take."""
    known = np.flatnonzero(taken.user_idx > 0)
    user, item, event = taken.user_idx[known], taken.item_idx[known], taken.event[known]
    sales = np.bincount(before.item_idx, minlength=before.n_items + 1).astype(np.float64) ** 0.75
    sales[0] = 0
    if not len(known) or not sales.any():
        raise ContractError("ranker: no event of a known user to learn from; widen split.validation_days")
    rng = np.random.default_rng([seed, len(known)])
    drawn = rng.choice(len(sales), (len(known), params.negatives), p=sales / sales.sum()).astype(np.int32)
    width = before.n_items + 1
    had = np.unique(user.astype(np.int64) * width + item)
    fresh = ~np.isin(user[:, None].astype(np.int64) * width + drawn, had)
    own = np.stack([np.isin(event, [EVENTS.index(name) for name in MEANS[task]]) for task in TASKS], axis=1)
    row = np.repeat(np.arange(len(known)), params.negatives)[fresh.ravel()]
    time = taken.timestamp[known]
    users: IntArray = np.concatenate([user, user[row]])
    items: IntArray = np.concatenate([item, drawn[fresh]])
    times: TimeArray = np.concatenate([time, time[row]])
    labels = np.concatenate([own, np.zeros((len(row), len(TASKS)), bool)]).astype(np.float32)
    order = np.lexsort((items, users, times))
    every = Examples(users, items, np.zeros(len(users), np.float32), times, labels)
    return every.take(order)
