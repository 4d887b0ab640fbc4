"""Events as sparse matrices, users x items; histories are weighted by recency."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from components.contracts import EVENTS, FloatArray, IntArray, Users
from components.errors import ContractError
from components.ragged import Ragged, offsets_of

RETURN = EVENTS.index("return")
Matrix = Any  # scipy.sparse.csr_matrix, float32; scipy ships no types


def history_matrix(users: Users, n_items: int, recency: float) -> Matrix:
    """Return (n_users, n_items + 1): each event's weight times recency^age, summed by item, returns subtracted.

    The age of an event is the number of later events in the same history: the newest has age 0.
    Raises ContractError when a history holds an item that is not in 1..n_items.
    """
    history = users.history
    check_items(history.item_idx, n_items, "a history", lowest=1)
    rows = history.rows
    age = history.offsets[1:][rows] - 1 - np.arange(len(rows))
    weight = (signed(history.event, history.weight) * np.power(recency, age)).astype(np.float32)  # 0^0 is 1
    return cell_matrix(*sum_cells(rows, history.item_idx, weight, n_items + 1), (len(users), n_items + 1))


def signed(event: NDArray[np.int8], weight: FloatArray) -> FloatArray:
    """Return the weights, negated for returns: a return cancels a purchase."""
    return np.where(event == RETURN, -weight, weight).astype(np.float32)


def merge_repeats(rows: Ragged) -> Ragged:
    """Return the rows with each run of the same item as one event, the one of largest weight (click, cart)."""
    n = len(rows.item_idx)
    if not n:
        return rows
    owner = rows.rows
    new = np.ones(n, bool)
    new[1:] = (rows.item_idx[1:] != rows.item_idx[:-1]) | (owner[1:] != owner[:-1])
    run = np.cumsum(new) - 1
    order = np.lexsort((np.arange(n), rows.weight, run))
    last = np.append(np.flatnonzero(np.diff(run[order])), n - 1)
    pick = order[last]
    offsets = offsets_of(np.bincount(owner[new], minlength=len(rows)))
    return Ragged(offsets, rows.item_idx[pick], rows.timestamp[pick], rows.event[pick], rows.weight[pick])


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


def sum_cells(
    rows: NDArray[Any], columns: IntArray, weight: NDArray[Any], n_columns: int
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the cells row * n_columns + column that occur, ascending, and the sum of each one's weights."""
    cell = rows.astype(np.int64) * n_columns + columns
    order = np.argsort(cell, kind="stable")
    cell = cell[order]
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    return cell[first], np.add.reduceat(weight[order], first) if len(first) else weight[:0]


def cell_matrix(cells: NDArray[np.int64], total: NDArray[Any], shape: tuple[int, int]) -> Matrix:
    """Return the positive sums as a canonical CSR matrix of float32; takes a third of scipy's time."""
    positive = total > 0
    row, column = np.divmod(cells[positive], shape[1])
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=shape[0]))])
    data = total[positive].astype(np.float32)
    matrix = csr_matrix((data, column.astype(np.int32), starts.astype(np.int32)), shape=shape)
    matrix.has_canonical_format = True
    return matrix
