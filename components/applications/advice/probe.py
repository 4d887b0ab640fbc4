"""Quick models on the shop's own past: how much better than popularity they are, and how sure that is.

Two windows before the test window are probed, each with the events before it; the test window is never read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.contracts import EVENTS, BoolArray, Catalogue, FloatArray, Interactions, Record, Users
from components.data.tables import read_catalogue, read_info, read_interactions
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank
from components.params import Params
from components.recommenders.factory import create, usable
from components.times import DAY_US
from components.tuning.curve import subsample_training

QUICK = ("neighbours", "ease", "buy_again")  # fitted in seconds, without vectors of texts
MAX_USERS = 1500  # of a window that are measured
MAX_ITEMS = 4000  # most popular products that enter EASE's inverse in a probe
SHARES = (0.25, 0.5)  # of the users, for the learning curve
UPLIFT, UPLIFT_SD = 1.1, 0.15  # of the selected model over the best quick one: a prior, no measurement of this shop
MIN_SHIFT = 0.2  # share of a gain that it differs between two windows, at least
Z = 1.645  # of a two-sided interval of 90 %
K = 10


class ProbedWindow(Record):
    """One window that was probed."""

    n_users: int  # with a target, that were measured
    n_all_users: int
    values: dict[str, float]  # model -> mean NDCG@10
    best: str
    gain: float  # of the best over popularity
    error: float  # standard deviation of that mean
    spread: float  # standard deviation of the users' gains
    repeat_share: float  # of the targets that the user had before
    cold_share: float  # of the targets by users with fewer than evaluation.cold_user_events earlier events


class CurvePoint(Record):
    """The gain of the best quick model, fitted on a share of the users."""

    share: float
    gain: float


class Probe(Record):
    """What the quick models show, and the gain that follows for the next test window."""

    windows: list[ProbedWindow]  # the newest first
    curve: list[CurvePoint]
    gain: float  # expected of a run over popularity, in NDCG@10
    low: float
    high: float  # of an interval of 90 %
    with_seen: float  # NDCG@10 of the best quick model where seen products are listed
    without_seen: float  # and where they are not; repeated targets are then missed


def probe(split: Path, params: Params) -> Probe:
    """Return what quick models reach on the last two windows before the test window."""
    info = read_info(split)
    events = read_interactions(split, ("train", "validation"))
    catalogue = read_catalogue(split)
    days = int(params.split.test_days * DAY_US)
    ends = [info.validation_end, info.validation_end - days]
    windows = [_measure(events, catalogue, end - days, end, params) for end in ends]
    found = [w for w in windows if w is not None]
    before, users = cut(events, ends[0] - days, ends[0], params)
    best = found[0].best if found else "popularity"
    curve = (
        [CurvePoint(share=s, gain=_gain_at(s, best, before, catalogue, users, params)) for s in SHARES] if found else []
    )
    gain, low, high = expect(found)
    both = {flag: _value(best, before, catalogue, users, params, flag) for flag in (False, True)} if found else {}
    return Probe(
        windows=found,
        curve=curve,
        gain=gain,
        low=low,
        high=high,
        with_seen=both.get(False, 0.0),
        without_seen=both.get(True, 0.0),
    )


def expect(windows: list[ProbedWindow]) -> tuple[float, float, float]:
    """Return the expected gain of a selected model on the next window, and its interval of 90 %.

    The variance adds that of the probes, of the next window's own users, of the difference between windows, and of
    what the selected model adds to the best quick one.
    """
    if not windows:
        return 0.0, 0.0, 0.0
    weights = np.array([w.n_users for w in windows], float)
    gains = np.array([w.gain for w in windows])
    mean = float(np.average(gains, weights=weights))
    errors = float(np.sqrt(np.sum((weights / weights.sum()) ** 2 * np.array([w.error for w in windows]) ** 2)))
    between = float(gains.std(ddof=1)) if len(windows) > 1 else 0.0
    shift = max(between, MIN_SHIFT * abs(mean))
    next_error = windows[0].spread / math.sqrt(max(windows[0].n_all_users, 1))
    total = math.sqrt((UPLIFT * errors) ** 2 + next_error**2 + shift**2 + (UPLIFT_SD * mean) ** 2)
    return UPLIFT * mean, UPLIFT * mean - Z * total, UPLIFT * mean + Z * total


def cut(events: Interactions, start: int, end: int, params: Params) -> tuple[Interactions, Users]:
    """Return the events before `start`, and the known users with a target in start..end with what they did before."""
    mask = events.timestamp < start
    columns = ("user_idx", "item_idx", "timestamp", "event", "weight")
    before = replace(events, now=start, **{name: getattr(events, name)[mask] for name in columns})
    rows = events.by_user()
    wanted = np.isin(rows.event, [EVENTS.index(name) for name in params.split.target_events])
    targets = rows.filter(wanted & (rows.timestamp >= start) & (rows.timestamp < end))
    who = np.flatnonzero(targets.lengths)
    history = rows.filter(rows.timestamp < start).take(who).newest(params.split.max_history)
    return before, Users(who.astype(np.int32), history, start, targets.take(who))


def _measure(events: Interactions, catalogue: Catalogue, start: int, end: int, params: Params) -> ProbedWindow | None:
    before, everyone = cut(events, start, end, params)
    left = everyone.without_seen() if params.recommend.exclude_seen else everyone
    if not len(left) or not len(before):
        return None
    users = left.subsample(MAX_USERS)
    values = {name: _values(name, before, catalogue, users, params) for name in ("popularity", *usable(QUICK, params))}
    best = max((n for n in values if n != "popularity"), key=lambda n: float(values[n].mean()))
    difference = values[best].astype(np.float64) - values["popularity"]
    seen, cold = _repeated(everyone), everyone.history.lengths < params.evaluation.cold_user_events
    spread = float(difference.std(ddof=1)) if len(users) > 1 else 0.5
    lengths = everyone.ground_truth.lengths
    return ProbedWindow(
        n_users=len(users),
        n_all_users=len(left),
        values={name: float(own.mean()) for name, own in values.items()},
        best=best,
        gain=float(difference.mean()),
        error=spread / math.sqrt(len(users)),
        spread=spread,
        repeat_share=float(seen.mean()),
        cold_share=float(lengths[cold].sum() / max(lengths.sum(), 1)),
    )


def _values(
    name: str, before: Interactions, catalogue: Catalogue, users: Users, params: Params, exclude: bool | None = None
) -> FloatArray:
    """Return (n_users,) NDCG@10 of a model fitted on the events before."""
    ease = params.models.ease.model_copy(update={"max_items": min(params.models.ease.max_items, MAX_ITEMS)})
    quick = params.model_copy(update={"models": params.models.model_copy(update={"ease": ease})})
    model = create(name, quick).fit(before, catalogue, users)
    seen = params.recommend.exclude_seen if exclude is None else exclude
    lists = rank(model, users, K, seen, before.n_items, params.recommend.batch_users)
    return per_user(lists, users.ground_truth, [K])[f"ndcg_at_{K}"]


def _value(name: str, before: Interactions, catalogue: Catalogue, users: Users, params: Params, exclude: bool) -> float:
    model = "ease" if name == "buy_again" else name  # it has nothing to list where seen products are excluded
    return float(_values(model, before, catalogue, users.subsample(MAX_USERS), params, exclude).mean())


def _gain_at(
    share: float, best: str, before: Interactions, catalogue: Catalogue, users: Users, params: Params
) -> float:
    events = subsample_training(before, share, params.seed)
    sample = (users.without_seen() if params.recommend.exclude_seen else users).subsample(MAX_USERS)
    own, popular = (_values(name, events, catalogue, sample, params) for name in (best, "popularity"))
    return float((own - popular).mean())


def _repeated(users: Users) -> BoolArray:
    """Return (n_targets,) whether the user had the target's product before."""
    targets, history = users.ground_truth, users.history
    width = int(max(targets.item_idx.max(initial=0), history.item_idx.max(initial=0))) + 1
    found: BoolArray = np.isin(targets.rows * width + targets.item_idx, history.rows * width + history.item_idx)
    return found
