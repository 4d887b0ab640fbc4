"""Labelled examples: products that a user was shown, and whether a click, cart and purchase followed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.contracts import EVENTS, BoolArray, FloatArray, IntArray, Interactions, TimeArray
from components.data.partitions import consented, partitions
from components.data.tables import read_info, read_interactions
from components.errors import ContractError
from components.params import ConsentPurpose, RankingParams
from components.times import HOUR_US

TASKS: tuple[Literal["click", "cart", "purchase"], ...] = ("click", "cart", "purchase")  # a funnel
SALES_POWER = 0.75  # of the sales in proportion to which negatives are drawn
MIN_POSITIVES = 5  # examples of each task that a ranker needs
POSITIVE_EVENTS = {  # events that make an example positive
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
    position: FloatArray  # (n,) in the list that was shown, from 0; 0 where the shop does not log it
    timestamp: TimeArray  # (n,)
    labels: Labels  # (n, len(TASKS)) 1 where it happened

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.user)

    def take(self, rows: NDArray[np.int64] | BoolArray) -> Examples:
        """Return some of the rows."""
        labels = self.labels[rows]
        return Examples(self.user[rows], self.item[rows], self.position[rows], self.timestamp[rows], labels)


def read_examples(
    snapshot: Path,
    split: Path,
    window: str,
    params: RankingParams,
    seed: int,
    memory_gib: float,
    purpose: ConsentPurpose = "recommend",
    private: bool = False,
) -> Examples:
    """Return the examples of the window "validation" or "test", at most `max_examples`, drawn uniformly.

    private: what is drawn for a user does not depend on others: all examples, and negatives drawn evenly.

    With logged impressions an example is an impression. Without, it is an event of a user, followed by `negatives`
    products drawn in proportion to sales^0.75 among those that the user did not take.
    Raises ContractError where the split is leave-one-out, or no known user has an event.
    """
    info = read_info(split)
    if info.protocol != "global_time":
        raise ContractError("ranker: expected split.protocol global_time; impressions have no window in leave_one_out")
    found = _read_impressions(snapshot, split, window, params.attribution_hours, memory_gib, purpose)
    if not len(found):
        taken, earlier = (read_interactions(split, (name,)) for name in (window, "train"))
        found = _sample_negatives(taken, earlier, params, seed, 0.0 if private else SALES_POWER)
    if len(found) > params.max_examples and not private:
        rng = np.random.default_rng([seed, len(found)])
        found = found.take(np.sort(rng.choice(len(found), params.max_examples, replace=False)))
    return found


def split_by_time(examples: Examples, holdout_share: float) -> tuple[Examples, Examples, Examples]:
    """Return three parts by time: for training; and halves of the newest share, for early stopping and calibration."""
    size = round(len(examples) * holdout_share / 2)
    ends = (len(examples) - 2 * size, len(examples) - size, len(examples))
    learn, stop, calibrate = (examples.take(np.arange(*part)) for part in ((0, ends[0]), ends[:2], ends[1:]))
    return learn, stop, calibrate


def missing_data_reason(learned: Examples, test: Examples, params: RankingParams) -> str:
    """Return why a ranker cannot be fitted and measured on these; "" if it can."""
    learn, stop, calibrate = split_by_time(learned, params.holdout_share)
    needs = {"learn from": (learn, TASKS), "stop on": (stop, TASKS[:1]), "calibrate on": (calibrate, TASKS[:1])}
    for purpose, (part, tasks) in (needs | {"measure on": (test, TASKS)}).items():
        for task, positives in zip(tasks, part.labels.sum(axis=0).astype(int), strict=False):
            if not MIN_POSITIVES <= positives < len(part):
                counts = f"{positives} of {len(part)} examples to {purpose}"
                return f"{counts} are a {task}; expected {MIN_POSITIVES} or more"
    return ""


def _read_impressions(
    snapshot: Path, split: Path, window: str, attribution_hours: float, memory_gib: float, purpose: ConsentPurpose
) -> Examples:
    """Return the impressions of the window; an action is attributed to the item's newest one in attribution_hours."""
    import duckdb

    info = read_info(split)
    files = [str(p) for p in partitions(snapshot, "events")]
    start = info.starts(window)
    end = {"validation": info.validation_end, "test": info.test_end}[window]
    with duckdb.connect(config={"memory_limit": f"{memory_gib}GiB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        connection.execute(
            "CREATE TABLE e AS SELECT u.user_idx, i.item_idx, epoch_us(e.timestamp) AS t, e.event, "  # noqa: S608
            "e.position - min(e.position) OVER () AS list_position FROM read_parquet($1) e "
            "JOIN read_parquet($2) u USING (user_id) JOIN read_parquet($3) i USING (item_id) "
            "WHERE epoch_us(e.timestamp) >= $4 AND epoch_us(e.timestamp) < $5 "
            f"AND {consented(connection, files, purpose)}",
            [files, str(split / "users.parquet"), str(split / "items.parquet"), start, end],
        )
        rows = connection.execute(
            "WITH shown AS (SELECT user_idx, item_idx, t, coalesce(min(list_position), 0) AS list_position FROM e "
            "WHERE event = 'impression' GROUP BY user_idx, item_idx, t), "
            "followed AS (SELECT s.user_idx, s.item_idx, s.t, a.event FROM (FROM e WHERE event <> 'impression') a "
            "ASOF JOIN shown s ON a.user_idx = s.user_idx AND a.item_idx = s.item_idx AND a.t >= s.t "
            "WHERE a.t < s.t + $1) "
            "SELECT user_idx, item_idx, t, any_value(list_position) AS list_position, "
            "bool_or(event IN ('click', 'view', 'cart', 'purchase')) AS click, "
            "bool_or(event IN ('cart', 'purchase')) AS cart, bool_or(event = 'purchase') AS purchase "
            "FROM shown LEFT JOIN followed USING (user_idx, item_idx, t) "
            "GROUP BY user_idx, item_idx, t ORDER BY t, user_idx, item_idx",
            [round(attribution_hours * HOUR_US)],
        ).fetchnumpy()
    labels = np.stack([np.ma.filled(rows[task], False) for task in TASKS], axis=1).astype(np.float32)
    user, item = (np.asarray(rows[name], np.int32) for name in ("user_idx", "item_idx"))
    return Examples(user, item, np.asarray(rows["list_position"], np.float32), np.asarray(rows["t"], np.int64), labels)


def _sample_negatives(
    window: Interactions, before: Interactions, params: RankingParams, seed: int, power: float = SALES_POWER
) -> Examples:
    """Return the events of known users in the window as positives, with negatives drawn by sales^power."""
    known = np.flatnonzero(window.user_idx > 0)
    user, item, event = window.user_idx[known], window.item_idx[known], window.event[known]
    sales = np.bincount(before.item_idx, minlength=before.n_items + 1).astype(np.float64) ** power
    sales[0] = 0
    if not len(known) or not sales.any():
        raise ContractError("ranker: no event of a known user to learn from; widen split.validation_days")
    rng = np.random.default_rng([seed, len(known)])
    drawn = rng.choice(len(sales), (len(known), params.negatives), p=sales / sales.sum()).astype(np.int32)
    width = before.n_items + 1
    had = np.unique(user.astype(np.int64) * width + item)
    fresh = ~np.isin(user[:, None].astype(np.int64) * width + drawn, had)
    codes = [[EVENTS.index(name) for name in POSITIVE_EVENTS[task]] for task in TASKS]
    positives = np.stack([np.isin(event, row) for row in codes], axis=1)
    row = np.repeat(np.arange(len(known)), params.negatives)[fresh.ravel()]
    time = window.timestamp[known]
    users: IntArray = np.concatenate([user, user[row]])
    items: IntArray = np.concatenate([item, drawn[fresh]])
    times: TimeArray = np.concatenate([time, time[row]])
    labels = np.concatenate([positives, np.zeros((len(row), len(TASKS)), bool)]).astype(np.float32)
    order = np.lexsort((items, users, times))
    every = Examples(users, items, np.zeros(len(users), np.float32), times, labels)
    return every.take(order)
