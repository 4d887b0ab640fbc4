"""Returns that cancel a purchase: an order withdrawn after minutes was no demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.times import DAY_US

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sold:
    """Purchases with what is left of their quantity."""

    rows: pd.DataFrame  # user_id, item_id, timestamp, quantity (> 0), price
    counts: dict[str, int]  # purchases, returns, returns_matched, purchases_cancelled, purchases_without_quantity


def cancel_returned(events: pd.DataFrame, within_days: int) -> Sold:
    """Subtract each return from the same user's newest earlier purchases of the product, within so many days.

    A missing quantity counts as 1. Returns of unknown users match nothing. Purchases without a quantity
    left are dropped.
    """
    events = events.sort_values("timestamp", kind="stable")
    quantity = events["quantity"].fillna(1.0).to_numpy(float).copy()
    at = events["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
    is_return = (events["event"] == "return").to_numpy()
    empty = int(((quantity <= 0) & ~is_return).sum())
    pairs = _pair_codes(events)
    concerned = np.flatnonzero(np.isin(pairs, np.unique(pairs[is_return & (pairs >= 0)])))
    bought: dict[int, list[int]] = {}
    matched = 0
    for i in concerned.tolist():
        key = int(pairs[i])
        if not is_return[i]:
            bought.setdefault(key, []).append(i)
            continue
        left = quantity[i]
        for j in reversed(bought.get(key, [])):
            if left <= 0 or at[i] - at[j] > within_days * DAY_US:
                break
            taken = min(left, quantity[j])
            quantity[j] -= taken
            left -= taken
        matched += left < quantity[i]
    keep = ~is_return & (quantity > 0)
    rows = events[["user_id", "item_id", "timestamp", "price"]].assign(quantity=quantity)[keep]
    counts = {
        "purchases": int((~is_return).sum()),
        "returns": int(is_return.sum()),
        "returns_matched": int(matched),
        "purchases_cancelled": int((~is_return).sum() - keep.sum() - empty),
        "purchases_without_quantity": empty,
    }
    return Sold(rows, counts)


def _pair_codes(events: pd.DataFrame) -> NDArray[np.int64]:
    """Return one code for each pair of user and product; -1 where the user is unknown."""
    user = events["user_id"].replace("", None).factorize()[0].astype(np.int64)  # a missing user is -1
    item, names = events["item_id"].factorize()
    return np.where(user >= 0, user * len(names) + item, -1)
