"""The evaluation protocol: windows without leaks, users with a ground truth, and checked ranked lists."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts import (
    WINDOWS,
    BoolArray,
    IntArray,
    Interactions,
    Ranked,
    Recommender,
    TimeArray,
    Users,
)
from components.data.tables import SplitInfo, read_info, read_interactions, read_users
from components.errors import ContractError
from components.evaluation.metrics import relevance
from components.params import Params
from components.ragged import Ragged
from components.times import to_iso


def check_leakage(split: Path, names: Sequence[str] = WINDOWS) -> None:
    """Raise ContractError("leakage: ...") when a window of the split holds events of a later one.

    names: the windows to check, oldest first; the files of others are not opened.
    global_time: every event of a window lies between its ends. leave_one_out: no event of a user is later than one of
    the same user in a later window (ties keep the source's order), and none is in two windows.
    """
    info = read_info(split)
    windows = {w: read_interactions(split, (w,)) for w in names}
    if info.protocol == "leave_one_out":
        _check_order(windows, split)
        return
    ends = {"train": info.train_end, "validation": info.validation_end, "test": info.test_end}
    start = np.iinfo(np.int64).min
    for window, events in windows.items():
        outside = (events.timestamp < start) | (events.timestamp >= ends[window])
        if outside.any():
            raise ContractError(
                f"leakage: {split}/{window}.parquet has {int(outside.sum())} event(s) outside its window, one of them "
                f"at {to_iso(int(events.timestamp[outside][0]))}; the window ends before {to_iso(ends[window])}. "
                "Run the stage `split` again"
            )
        start = ends[window]


def window_users(split: Path, window: str, exclude_seen: bool) -> Users:
    """Return the users of "validation" or "test" who have targets.

    With exclude_seen, no list can hold an item of the history: such targets are dropped, and then users without
    targets. Raises ContractError when no user is left, or a history reaches into the window.
    """
    users = read_users(split, window)
    info = read_info(split)
    late = users.history.timestamp >= users.now
    if info.protocol == "global_time" and late.any():
        earlier = " or ".join(f"{w}.parquet" for w in WINDOWS[: WINDOWS.index(window)])
        raise ContractError(
            f"leakage: {split}: {int(late.sum())} event(s) of {earlier} are not before {to_iso(users.now)}, where the "
            f"{window} window starts, one of them at {to_iso(int(users.history.timestamp[late][0]))}; run the stage "
            "`split` again"
        )
    remaining = users.without_seen() if exclude_seen else users
    if not len(remaining):
        raise ContractError(
            f"{window} window from {to_iso(users.now)} has 0 users with a target left (of {len(users)}); "
            "widen split.test_days or split.validation_days, or set recommend.exclude_seen to false"
        )
    return remaining


def question_users(split: Path, window: str, params: Params) -> Users:
    """Return the rows of a window by which models are compared: a user each, or with gate.primary next_event several.

    Raises ContractError as `window_users`, and where evaluation.next_events leaves no user.
    """
    users = window_users(split, window, params.recommend.exclude_seen)
    return users if params.gate.primary == "global_time" else events_that_decide(split, window, users, params)


def events_that_decide(split: Path, window: str, users: Users, params: Params) -> Users:
    """Return `next_event_users`; raises ContractError where evaluation.next_events leaves no user."""
    limit = params.evaluation.next_events
    rows = next_event_users(split, window, users, params.recommend.exclude_seen, limit)
    if not len(rows):
        raise ContractError(
            f"{window} window: evaluation.next_events {limit} is less than one event for each of {len(users)} users, "
            "and leaves none of them; raise it, or set gate.primary to global_time"
        )
    return rows


def blend_users(split: Path, params: Params) -> Users:
    """Return the rows of the validation window on which a blend learns; with a recipe nobody reads them."""
    if params.selection is not None:
        return read_users(split, "validation")
    return question_users(split, "validation", params)


def next_event_users(split: Path, window: str, users: Users, exclude_seen: bool, max_events: int) -> Users:
    """Return a row for each target event of the window, with all earlier events as history, as a service has it.

    users: those of `window_users`. Of more than max_events rows, whole users are left out, evenly spread. With
    exclude_seen, a product is a target once: before the user's first event with it in the window, such as a view, since
    afterwards no list holds it; and never where it is in the history by then.
    """
    info, events = read_info(split), read_interactions(split, WINDOWS[: WINDOWS.index(window) + 1])
    line = np.full(events.n_users + 1, -1, dtype=np.int32)
    line[users.user_idx] = np.arange(len(users), dtype=np.int32)
    is_target = np.isin(events.event, np.unique(users.ground_truth.event)) & (line[events.user_idx] >= 0)
    target = np.flatnonzero(is_target & (events.timestamp >= info.starts(window)))
    target = target[_evenly(len(users), max_events / max(1, len(target)))[line[events.user_idx[target]]]]
    changes = (np.diff(events.user_idx) != 0) | (np.diff(events.timestamp) != 0)
    moments = np.concatenate([[0], np.flatnonzero(changes) + 1])  # first event of each user and time
    target, first = _first_events(events, target, info.starts(window)) if exclude_seen else (target, target)
    end = moments[np.searchsorted(moments, first, "right") - 1]  # events at the same time are not before it
    start = np.searchsorted(events.user_idx, events.user_idx[target], "left")
    start = np.maximum(start, end - info.max_history)
    everything = Ragged(
        np.array([0, len(events.user_idx)], dtype=np.int64),
        *(getattr(events, name) for name in ("item_idx", "timestamp", "event", "weight")),
    )
    history, targets = everything.gather(start, end - start), everything.gather(target, np.ones_like(target))
    rows = Users(events.user_idx[target].astype(np.int32), history, events.now, targets)
    return rows.without_seen() if exclude_seen else rows


def _first_events(
    events: Interactions, target: NDArray[np.intp], start: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of the first target of each user and item, and of their first event from start (us) on."""
    pairs, rows = _pairs(events), np.flatnonzero(events.timestamp >= start)
    target = target[np.sort(np.unique(pairs[target], return_index=True)[1])]
    known, first = np.unique(pairs[rows], return_index=True)
    return target, rows[first[np.searchsorted(known, pairs[target])]]


def _evenly(n: int, share: float) -> BoolArray:
    """Return (n,) True for a share of the rows, evenly spread; all of them where it is 1 or more."""
    numbers = np.floor(np.arange(n + 1) * min(1.0, share))
    rises: BoolArray = numbers[1:] > numbers[:-1]
    return rises


def rank(model: Recommender, users: Users, k: int, exclude_seen: bool, n_items: int, batch_users: int) -> IntArray:
    """Return (n_users, k) the model's lists, as `rank_with_scores` makes them."""
    return rank_with_scores(model, users, k, exclude_seen, n_items, batch_users).items


def rank_with_scores(
    model: Recommender, users: Users, k: int, exclude_seen: bool, n_items: int, batch_users: int
) -> Ranked:
    """Return `rank_any`; raises ContractError also for a model that has no item for any user."""
    ranked = rank_any(model, users, k, exclude_seen, n_items, batch_users)
    if not ranked.items.any():
        raise ContractError(f"model {model.name} has no item for any of {len(users)} users; check its training")
    return ranked


def rank_any(model: Recommender, users: Users, k: int, exclude_seen: bool, n_items: int, batch_users: int) -> Ranked:
    """Return the model's lists, made in batches; they may be empty. The model does not get the targets.

    Raises ContractError when a list breaks its contract: an unknown, repeated or seen item, or a NaN score.
    """
    lists = np.zeros((len(users), k), dtype=np.int32)
    scores = np.full((len(users), k), -np.inf, dtype=np.float32)
    for start, batch in users.batches(batch_users):
        ranked = model.recommend(batch, k, exclude_seen)
        _check_lists(model.name, ranked, batch, k, exclude_seen, n_items)
        lists[start : start + len(batch)] = ranked.items
        scores[start : start + len(batch)] = ranked.scores
    return Ranked(lists, scores)


def champion_saw_test(train_end: int, validation_end: int, info: SplitInfo, same_catalogue: bool) -> bool:
    """Return whether a champion with these ends (us) may have learned or been tuned on this test window.

    global_time: False only if training and tuning ended strictly before the window starts. (If the champion was
    promoted on some of these days, the comparison slightly favours it: the safe side.) leave_one_out: windows differ
    per user, so False only for a champion of the same split (same ends, same catalogue).
    """
    if info.protocol == "leave_one_out":
        return (train_end, validation_end, same_catalogue) != (info.train_end, info.validation_end, True)
    return max(train_end, validation_end) > info.starts("test")


def _check_order(windows: dict[str, Interactions], split: Path) -> None:
    n_users = windows["train"].n_users
    latest = np.full(n_users + 1, np.iinfo(np.int64).min)
    for window, events in windows.items():
        early = (events.timestamp < latest[events.user_idx]) & (events.user_idx > 0)
        if early.any():
            raise ContractError(
                f"leakage: {split}/{window}.parquet has {int(early.sum())} event(s) before the same user's events in "
                "an earlier window; leave-one-out keeps each user's order. Run the stage `split` again"
            )
        np.maximum.at(latest, events.user_idx, events.timestamp)
    for earlier, later in combinations(windows, 2):
        twins = _twins(windows[earlier], windows[later])
        if twins:
            raise ContractError(
                f"leakage: {split}/{earlier}.parquet holds {twins} event(s) of {later}.parquet: same user, "
                "item, time and kind; targets must not be trained on. Run the stage `split` again"
            )


def _twins(one: Interactions, other: Interactions) -> int:
    """Return how many events of known users are in both: same user, item, time and kind."""
    mine, theirs = _pairs(one), _pairs(other)
    shared = np.intersect1d(mine[mine > 0], theirs[theirs > 0])  # few: only these are compared one by one
    return len(_identities(one, np.isin(mine, shared)) & _identities(other, np.isin(theirs, shared)))


def _pairs(events: Interactions) -> TimeArray:
    """Return (n,) a number for each pair of a known user and an item; 0 for unknown users."""
    pairs = events.user_idx.astype(np.int64) * (events.n_items + 1) + events.item_idx
    return np.where(events.user_idx > 0, pairs, 0)


def _identities(events: Interactions, rows: BoolArray) -> set[tuple[int, ...]]:
    """Return the identity of each of these events."""
    columns = (getattr(events, c)[rows].tolist() for c in ("user_idx", "item_idx", "timestamp", "event"))
    return set(zip(*columns, strict=True))


def _check_lists(name: str, ranked: Ranked, users: Users, k: int, exclude_seen: bool, n_items: int) -> None:
    items = ranked.items
    if items.shape != (len(users), k):
        raise ContractError(f"model {name} gave lists of shape {items.shape} for {len(users)} users and k {k}")
    if items.min(initial=0) < 0 or items.max(initial=0) > n_items:
        raise ContractError(f"model {name} lists items {items.min()}..{items.max()}; the catalogue has 1..{n_items}")
    if np.isnan(ranked.scores).any():
        raise ContractError(f"model {name} gave NaN scores; its training diverged, and such a model is not measured")
    ordered = np.sort(items, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] > 0)).any():
        raise ContractError(f"model {name} lists an item twice for one user")
    if exclude_seen and relevance(items, users.history).any():
        raise ContractError(f"model {name} lists items that the user had before, and recommend.exclude_seen is true")
