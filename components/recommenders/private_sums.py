"""Sums of which nobody can tell whether one user is in them: contributions are bounded, and noise is added.

Three sums are released, each with Gaussian noise: decayed weights per product, X'X of EASE, and transition counts. What
one user adds to each is a vector, scaled down to a bounded L2 norm where it is longer. Everything that is computed from
the sums protects users as they do: which products are paired, clipping at 0, thresholds, the models.

Anonymous events have no user, so no bound: they are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags, hstack

from components.contracts import Catalogue, IntArray, Interactions, Recommender
from components.errors import ContractError
from components.io import sha256_arrays
from components.params import PrivacyParams, TransitionsParams
from components.privacy.accounting import Budget, Mechanism
from components.privacy.noise import NoiseSource
from components.recommenders.ease import EaseRecommender, choose_items, seen_once
from components.recommenders.histories import Matrix
from components.recommenders.sums import SummedRecommender, TrainingSums
from components.recommenders.transitions import TransitionsRecommender, count_pairs, moments_of
from components.times import DAY_US

N_SUMS = 3
SIGNIFICANT = 3.0  # standard deviations of the noise below which a transition count is taken for noise
SPECTRUM = 2.2  # the largest eigenvalue of a symmetric m x m matrix of noise is some 2 sqrt(m) standard deviations
BLOCK = 4_096  # users whose transitions are counted at once; bounds memory


@dataclass(frozen=True)
class PrivateSums:
    """What closed-form models may learn from: noised, and of bounded contributions."""

    totals: TrainingSums  # without users; only `decayed` is set
    chosen: IntArray  # (m,) item_idx of the products between which pairs are counted, ascending
    gram: NDArray[np.float32]  # (m, m) EASE's X'X, symmetric; the diagonal is raised so that it has an inverse
    counts: Matrix  # (n_items + 1, n_items + 1) transition counts that exceed the noise
    mechanism: Mechanism

    @classmethod
    def of(
        cls,
        events: Interactions,
        half_lives: Iterable[float],
        transitions: TransitionsParams,
        params: PrivacyParams,
        secret: bytes,
    ) -> Self:
        """Return the sums of the users' events.

        half_lives: days, of `decayed`. secret: see NoiseSource. Raises ContractError where no event has a user.
        """
        known = events.filter(events.user_idx > 0)
        if not len(known):
            raise ContractError(
                "privacy.epsilon is set, and no event of the training window has a user; set it to null"
            )
        multiplier = Budget.of(params, params.sums_share).noise_multiplier(steps=N_SUMS)
        days, size = sorted(set(half_lives)), events.n_items + 1
        noise = NoiseSource(secret, _digest(known, f"{days} {transitions!r} {params!r}"))
        bound = math.sqrt(params.max_items)
        weights = clip_rows(decayed_by_user(known, days), bound)
        decayed = np.asarray(weights.sum(axis=0)).ravel()
        decayed += multiplier * bound * noise.normal("decayed", 0, len(decayed))
        by_days = {d: decayed[at * size : (at + 1) * size] for at, d in enumerate(days)}
        for values in by_days.values():
            values[0] = 0
        chosen = choose_items(by_days[days[-1]].clip(min=0), params.pair_items)
        gram = _mirrored(gram_of(known, chosen, bound))
        spread = multiplier * params.max_items
        gram += spread * _mirrored(noise.normal("gram", 0, gram.size).reshape(gram.shape))
        gram[np.diag_indices(len(gram))] += SPECTRUM * spread * math.sqrt(len(gram))
        counts = clipped_transitions(known, chosen, transitions, bound)
        counts += multiplier * bound * noise.normal("transitions", 0, counts.size).reshape(counts.shape)
        found = counts > max(SIGNIFICANT * multiplier * bound, 1e-9)
        np.fill_diagonal(found, False)
        rows, columns = np.nonzero(found)
        pairs = csr_matrix((counts[rows, columns], (chosen[rows], chosen[columns])), shape=(size, size))
        empty = np.zeros(0, np.int64), np.zeros(0)
        totals = TrainingSums(0, events.n_items, events.now, *empty, np.zeros(size, np.int64), by_days)
        mechanism = Mechanism(name="sums", noise_multiplier=multiplier, sample_rate=1.0, steps=N_SUMS)
        return cls(totals, chosen, gram.astype(np.float32), pairs, mechanism)


def fit_privately(model: Recommender, sums: PrivateSums, items: Catalogue) -> Recommender:
    """Return the model, fitted on the noised sums alone; raises ContractError for one that needs more."""
    if isinstance(model, EaseRecommender):
        return model.fit_from_gram(sums.totals, sums.chosen, sums.gram.copy())
    if isinstance(model, TransitionsRecommender):
        return model.fit_from_counts(sums.totals, sums.counts)
    if isinstance(model, SummedRecommender):
        return model.fit_from(sums.totals, items)
    raise ContractError(f"{model.name} cannot learn with noise; leave it out where privacy.epsilon is set")


def clip_rows(rows: Matrix, bound: float) -> Matrix:
    """Return the rows, of which those longer than the bound (L2) are scaled down to it; float64."""
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    factor = np.minimum(1.0, bound / np.maximum(length, 1e-12))
    return (diags(factor) @ rows.astype(np.float64)).tocsr()


def decayed_by_user(events: Interactions, half_lives: list[float]) -> Matrix:
    """Return (n_users + 1, half-lives x (n_items + 1)): a user's decayed weights, 1 at most for a product."""
    age_days = (events.now - events.timestamp) / DAY_US
    weights = [(events.weight * np.exp2(-age_days / days)).astype(np.float32) for days in half_lives]
    return hstack([seen_once(TrainingSums.of(replace(events, weight=one))) for one in weights], format="csr")


def gram_of(events: Interactions, chosen: IntArray, bound: float) -> NDArray[np.float64]:
    """Return (m, m) X'X of the chosen products; a user's row of X has entries up to 1 and norm `bound` at most.

    The upper triangle of what one user adds has an L2 norm of bound^2 at most.
    """
    rows = clip_rows(seen_once(TrainingSums.of(events))[:, chosen], bound)
    found: NDArray[np.float64] = (rows.T @ rows).toarray()
    return found


def clipped_transitions(
    events: Interactions, chosen: IntArray, params: TransitionsParams, bound: float
) -> NDArray[np.float64]:
    """Return (m, m) transition counts between the chosen products; what one user adds has norm `bound` at most."""
    m = len(chosen)
    total = np.zeros((m, m))
    histories = events.by_user()
    for start in range(0, len(histories), BLOCK):
        moments, owner = moments_of(histories.slice(start, min(start + BLOCK, len(histories))), events.n_items)
        total += _clip_by_owner(moments[:, chosen], owner, m, params, bound)
    return total


def _clip_by_owner(
    moments: Matrix, owner: NDArray[np.int64], m: int, params: TransitionsParams, bound: float
) -> NDArray[np.float64]:
    """Return the sum over owners of their counts, each clipped.

    The columns become pairs of owner and product, so that one count of all is that of each owner alone.
    """
    cells = moments.tocoo()
    own, column = np.unique(owner[cells.row].astype(np.int64) * m + cells.col, return_inverse=True)
    by_owner = csr_matrix((cells.data, (cells.row, column)), shape=(moments.shape[0], len(own)))
    counts = count_pairs(by_owner, owner, params).tocoo()
    rows, columns = own[counts.row], own[counts.col]
    user = rows // m
    length = np.sqrt(np.bincount(user, counts.data**2, minlength=int(user.max(initial=0)) + 1))
    data = counts.data * np.minimum(1.0, bound / np.maximum(length, 1e-12))[user]
    total: NDArray[np.float64] = np.bincount(rows % m * m + columns % m, data, m * m).astype(np.float64)
    return total.reshape(m, m)


def _mirrored(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric matrix with this upper triangle."""
    upper = np.triu(matrix)
    return upper + np.triu(upper, 1).T


def _digest(events: Interactions, about: str) -> bytes:
    """Return a digest of all that the sums depend on: the same noise on two different sums would cancel out."""
    columns = (getattr(events, name) for name in ("user_idx", "item_idx", "timestamp", "event", "weight"))
    return bytes.fromhex(sha256_arrays(f"sums {about} {events.n_users} {events.n_items} {events.now}", columns))
