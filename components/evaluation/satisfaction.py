"""The article's interest matrix: the interest of each user in each product, and the total interest of a set of offers.

R is (n_users, n_items + 1), every entry in [0, 1]. Offers are a matrix P of the same shape (1 where a product is in a
user's list), or, where every user is offered the same, weights u of users and v of items: P = u v'. The total interest
S(P) = sum of P * R = trace(P' R), and S(u, v) = u' R v, are the article's satisfaction.

S is linear in P, and in u and in v: without a bound it has no maximum, as doubled offers double it. The article
sets no bound. Here weights have length 1, for which the optimum is known (`best_items`), and lists hold k
products, for which the best list holds the k of highest interest (`satisfaction`).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray, IntArray
from components.ragged import Ragged

Vector = NDArray[np.float64]
Interest = Any  # scipy.sparse.csr_matrix, or a (n_users, n_items + 1) array


def interest_matrix(wanted: Ragged, n_items: int) -> Interest:
    """Return sparse (n_users, n_items + 1) interests in [0, 1): w / (w + 1) of the summed weights w of events.

    So one event of weight 1 is an interest of 0.5, and the interest stays below 1 for any number of events.
    """
    from scipy.sparse import csr_matrix

    columns = (wanted.weight.astype(np.float64), wanted.item_idx, wanted.offsets)
    matrix = csr_matrix(columns, shape=(len(wanted), n_items + 1), copy=True)  # summing would change `wanted`
    matrix.sum_duplicates()
    matrix.data = matrix.data / (matrix.data + 1)
    return matrix


def satisfaction(lists: IntArray, wanted: Ragged, n_items: int, ks: Sequence[int]) -> dict[str, float]:
    """Return satisfaction_at_k for each k: the interest in all lists' first k, as a share of the best possible lists.

    lists: (n_users, at least k), padded with 0. In [0, 1]; 0 where no user has an interest.
    """
    interest = interest_matrix(wanted, n_items)
    rows = np.arange(len(lists))[:, None]
    held = np.where(lists > 0, interest[rows, lists].toarray(), 0)  # (n_users, width)
    interests = [np.sort(interest.data[start:end])[::-1] for start, end in pairwise(interest.indptr)]
    found = {}
    for k in ks:
        best = sum(float(own[:k].sum()) for own in interests)
        found[f"satisfaction_at_{k}"] = float(held[:, :k].sum()) / best if best else 0.0
    return found


def total_interest(interest: Interest, users: Vector, items: Vector) -> float:
    """Return S(u, v) = u' R v of weights (n_users,) and (n_items + 1,)."""
    return float(users @ (interest @ items))


def total_of_offers(interest: Interest, offers: FloatArray) -> float:
    """Return S(P), the sum of P * R, of offers (n_users, n_items + 1)."""
    product = interest.multiply(offers) if hasattr(interest, "multiply") else interest * offers
    return float(product.sum())


def gradients(interest: Interest, users: Vector, items: Vector) -> tuple[Vector, Vector]:
    """Return the gradients of S(u, v) by the user and item weights: R v and R' u. (The gradient of S(P) is R.)"""
    return np.asarray(interest @ items), np.asarray(interest.T @ users)


def best_items(interest: Interest, users: Vector) -> tuple[Vector, float]:
    """Return the item weights v of length 1 that maximise S(u, v) for users (n_users,), and the maximum |R' u|.

    By Cauchy and Schwarz u' R v <= |R' u| |v|. Without any interest the weights are 0.
    """
    towards = np.asarray(interest.T @ users, np.float64)
    worth = float(np.linalg.norm(towards))
    return (towards / worth if worth else towards), worth
