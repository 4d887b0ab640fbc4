"""Slices of the test users and target items, where an average may hide a loss.

A slice is always a mask over the targets: a user outside of it has no targets left, and so no value.
"""

import numpy as np

from components.contracts import BoolArray, Catalogue, IntArray, Users
from components.times import DAY_US

NEXT_EVENT = "next_event"  # a slice by question, not by target: lists made anew before each event of the test window


def cold_users(users: Users, cold_user_events: int) -> BoolArray:
    """Return (n_users,) True for those with fewer events in their history."""
    cold: BoolArray = users.history.lengths < cold_user_events
    return cold


def slice_masks(
    users: Users, catalogue: Catalogue, trained: BoolArray, cold_user_events: int, by_day: bool = False
) -> dict[str, BoolArray]:
    """Return slice name -> (n_targets,) mask over `users.targets`, in a fixed order; none for a slice without targets.

    all         every target
    user:cold   fewer than cold_user_events events in the user's history at the start of the window; user:warm the rest
    item:cold   targets without a training event ((n_items + 1,) `trained` is False); item:warm the rest
    language:xx targets whose product is in language xx; language:unknown where the shop gives none
    kind:xx     targets of kind xx, where the shop has items of several kinds
    target:later_day  with by_day: targets on a later day (UTC) than the newest event of the history; target:same_day.
                In files whose times are days, the order within a day is the file's and no behaviour: the former are
                free of it
    """
    targets = users.ground_truth
    items = targets.item_idx
    cold_user = np.repeat(cold_users(users, cold_user_events), targets.lengths)
    language = np.array([code or "unknown" for code in catalogue.language])[items]
    masks = {"all": np.ones(len(items), dtype=np.bool_)}
    masks |= {
        "user:cold": cold_user,
        "user:warm": ~cold_user,
        "item:cold": ~trained[items],
        "item:warm": trained[items],
    }
    if by_day:
        history = users.history
        newest = np.full(len(users), np.iinfo(np.int64).min)
        np.maximum.at(newest, history.rows, history.timestamp)
        later = targets.timestamp // DAY_US > np.repeat(newest, targets.lengths) // DAY_US
        masks |= {"target:later_day": later, "target:same_day": ~later}
    masks |= {f"language:{code}": language == code for code in sorted(set(language.tolist()))}
    kinds, codes = catalogue.kind_codes
    if catalogue.kind is not None:
        masks |= {f"kind:{name}": codes[items] == n for n, name in enumerate(kinds) if name}
    return {name: mask for name, mask in masks.items() if mask.any()}


def trained_items(item_idx: IntArray, n_items: int) -> BoolArray:
    """Return (n_items + 1,) True for the items of the training events."""
    mask = np.zeros(n_items + 1, dtype=np.bool_)
    mask[item_idx] = True
    return mask
