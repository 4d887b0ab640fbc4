"""Learns how search weighs its signals, from the searches of the validation window that led to a click.

The clicked product is compared with the others that the query finds: a conditional logit with weights of at least 0
(McFadden 1974). Learned weights ship only where lists by weights of other queries are better than those of the
parameters, and than words alone, by more than one standard error: the rule by which candidates are chosen.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray
from components.params import SearchWeightsParams
from components.recommenders.ann_index import AnnIndex
from components.search.clicks import Click
from components.search.index import SearchIndex
from components.search.weights import SIGNALS

log = logging.getLogger(__name__)
K = 10  # NDCG@10 with the clicked product as the only relevant one
FOLDS = 5
MAX_CANDIDATES = 500  # products of a query that the clicked one is compared with: the best by the present weights
RIDGE = 0.01  # on weights of signals scaled to unit variance


@dataclass(frozen=True)
class SearchContext:
    """What all queries are searched with."""

    index: SearchIndex  # with the clicks before the queries, without learned weights
    items: FloatArray  # (n_items + 1, dim), unit
    popular: FloatArray  # (n_items + 1,)
    ann: AnnIndex | None = None


@dataclass(frozen=True)
class Learned:
    """Weights and how the lists by weights of other queries compare; NDCG@10 over queries."""

    weights: SearchWeightsParams
    n_queries: int
    ndcg: dict[str, float]  # "learned" (out of fold), "parameters", "words"
    errors: dict[str, float]  # standard error of the mean difference of "learned" and the others, paired by query

    @property
    def ships(self) -> bool:
        """Return whether the gain over both others is more than one standard error."""
        return all(self.ndcg["learned"] - self.ndcg[name] > error for name, error in self.errors.items())

    def describe(self) -> str:
        """Return one sentence for the log and the card."""
        names = {"parameters": "by the weights of the parameters", "words": "by words alone"}
        others = ", ".join(
            f"{self.ndcg[name]:.4f} {names[name]} (standard error of the difference {error:.4f})"
            for name, error in self.errors.items()
        )
        verdict = "the learned weights count" if self.ships else "the weights of the parameters count"
        return (
            f"On {self.n_queries} searches with a click, each by weights of other queries, NDCG@10 is "
            f"{self.ndcg['learned']:.4f} by learned weights, {others}: {verdict}."
        )


def learn_weights(
    context: SearchContext, clicks: Sequence[Click], vectors: FloatArray, min_queries: int, seed: int
) -> Learned | None:
    """Return weights learned from searches with a click; None where fewer than min_queries find the clicked product.

    clicks: the searches; vectors: (n_clicks, dim) their queries', unit. Equal queries are in one fold.
    """
    examples = [_example(context, click, vector) for click, vector in zip(clicks, vectors, strict=True)]
    if sum(example is not None for example in examples) < min_queries:
        return None
    fold = _folds([click.query for click in clicks], seed)
    lists = {"words": np.zeros(len(clicks)), "parameters": np.zeros(len(clicks)), "learned": np.zeros(len(clicks))}
    by_fold = {f: _fit([e for e, g in zip(examples, fold, strict=True) if e is not None and g != f]) for f in set(fold)}
    for n, (click, vector) in enumerate(zip(clicks, vectors, strict=True)):
        both = (vector, context.items)
        own = context.index.with_weights(context.index.clicks, by_fold[fold[n]])
        found = {
            "words": context.index.search(click.query, K),
            "parameters": context.index.search(click.query, K, both, None, context.popular, None, context.ann),
            "learned": own.search(click.query, K, both, None, context.popular, None, context.ann),
        }
        for name, hits in found.items():
            lists[name][n] = _ndcg(hits.items, click.item_idx)
    weights = _fit([example for example in examples if example is not None])
    errors = {
        name: float((lists["learned"] - lists[name]).std(ddof=1) / np.sqrt(len(clicks)))
        for name in ("parameters", "words")
    }
    return Learned(weights, len(clicks), {name: float(values.mean()) for name, values in lists.items()}, errors)


def _example(context: SearchContext, click: Click, vector: FloatArray) -> tuple[NDArray[np.float64], int] | None:
    """Return (n_candidates, n_signals) and the clicked one's row; None where the query does not find it."""
    signals, found = context.index.signals(click.query, (vector, context.items), context.popular, context.ann)
    found[0] = False
    if not found[click.item_idx]:
        return None
    rows = np.flatnonzero(found)
    if len(rows) > MAX_CANDIDATES:
        order = np.argsort(-(signals.words + signals.similarity)[rows], kind="stable")
        rows = np.union1d(rows[order[: MAX_CANDIDATES - 1]], [click.item_idx])
    matrix = np.stack([getattr(signals, name)[rows] for name in SIGNALS], axis=1).astype(np.float64)
    return matrix, int(np.searchsorted(rows, click.item_idx))


def _fit(examples: Sequence[tuple[NDArray[np.float64], int]]) -> SearchWeightsParams:
    """Return the weights of a conditional logit with a ridge."""
    from scipy.optimize import minimize

    scale = np.concatenate([matrix for matrix, _ in examples]).std(axis=0)
    scale[scale == 0] = np.inf  # a signal that never differs says nothing: its weight is 0
    scaled = [(matrix / scale, row) for matrix, row in examples]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = 0.0, np.zeros_like(weights)
        for matrix, row in scaled:
            total = matrix @ weights
            chance = np.exp(total - total.max())
            chance /= chance.sum()
            value -= float(np.log(chance[row] + np.finfo(np.float64).tiny))
            gradient += chance @ matrix - matrix[row]
        n = len(scaled)
        return value / n + RIDGE * float(weights @ weights), gradient / n + 2 * RIDGE * weights

    start = np.zeros(len(SIGNALS))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(SIGNALS))
    values = np.round(found.x / scale, 4)
    return SearchWeightsParams(**dict(zip(SIGNALS, values.tolist(), strict=True)))


def _folds(queries: Sequence[str], seed: int) -> list[int]:
    """Return the fold of each query; equal queries have the same."""
    distinct = sorted(set(queries))
    shuffled = np.random.default_rng(seed).permutation(len(distinct))
    fold_of = {query: int(n) % FOLDS for query, n in zip(distinct, shuffled, strict=True)}
    return [fold_of[query] for query in queries]


def _ndcg(items: NDArray[np.int32], wanted: int) -> float:
    at = np.flatnonzero(items == wanted)
    return float(1 / np.log2(at[0] + 2)) if len(at) else 0.0
