"""Events as sparse matrices, users x items: the training window, and histories weighted by recency."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from components.contracts import EVENTS, FloatArray, IntArray, Interactions, Users
from components.errors import ContractError

RETURN = EVENTS.index("return")
Matrix = Any  # scipy.sparse.csr_matrix, float32; scipy ships no types


def training_matrix(interactions: Interactions) -> Matrix:
    """Return (n_users + 1, n_items + 1): summed weights of each user's events on each item, returns subtracted.

    Row 0 is empty: anonymous events belong to no user. An item whose purchases were all returned has no entry.
    """
    known = interactions.user_idx > 0
    rows, columns = interactions.user_idx[known], interactions.item_idx[known]
    weight = signed(interactions.event[known], interactions.weight[known])
    return _matrix(weight, rows, columns, (interactions.n_users + 1, interactions.n_items + 1))


def history_matrix(users: Users, n_items: int, recency: float) -> Matrix:
    """Return (n_users, n_items + 1): each event's weight times recency^age, summed by item, returns subtracted.

    The age of an event is the number of later events in the same history: the newest has age 0.
    Raises ContractError when a history holds an item that is not in 1..n_items.
    """
    history = users.history
    check_items(history.item_idx, n_items, "a history", lowest=1)
    rows = history.rows
    age = history.offsets[1:][rows] - 1 - np.arange(len(rows))
    weight = signed(history.event, history.weight) * np.power(recency, age)  # 0^0 is 1
    return _matrix(weight, rows, history.item_idx, (len(users), n_items + 1))


def signed(event: NDArray[np.int8], weight: FloatArray) -> FloatArray:
    """Return the weights, negated for returns: a return cancels a purchase."""
    return np.where(event == RETURN, -weight, weight).astype(np.float32)


def check_items(items: IntArray, n_items: int, where: str, lowest: int = 0) -> None:
    """Raise ContractError unless all items are in lowest..n_items."""
    if len(items) and not (items.min() >= lowest and items.max() <= n_items):
        raise ContractError(
            f"{where} holds item_idx {items.min()}..{items.max()}; the model knows {lowest}..{n_items}: "
            "use the split that the model was fitted on"
        )


def pick(scores: FloatArray, items: IntArray | None) -> FloatArray:
    """Return the columns `items` of the scores, or all where it is None."""
    if items is None:
        return scores
    check_items(items, scores.shape[1] - 1, "`items`")
    return scores[:, items]


def _matrix(weight: NDArray[Any], rows: NDArray[Any], columns: IntArray, shape: tuple[int, int]) -> Matrix:
    """Return the positive sums of duplicate entries, as a canonical CSR matrix; takes a third of scipy's time."""
    cell = rows.astype(np.int64) * shape[1] + columns
    order = np.argsort(cell, kind="stable")
    cell = cell[order]
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    total = np.add.reduceat(weight.astype(np.float32)[order], first) if len(first) else np.zeros(0, np.float32)
    positive = total > 0
    row, column = np.divmod(cell[first[positive]], shape[1])
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=shape[0]))])
    matrix = csr_matrix((total[positive], column.astype(np.int32), starts.astype(np.int32)), shape=shape)
    matrix.has_canonical_format = True
    return matrix
