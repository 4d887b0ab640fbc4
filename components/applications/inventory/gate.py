"""Whether the model's forecasts ship, or those of the best simple method; sparse and dense products apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.backtest import DemandBacktest, ProductErrors
from components.applications.inventory.baselines import BASELINES
from components.applications.inventory.rolling import MODEL
from components.applications.reasons import Reason, give_reason

SEGMENTS = {"sparse": (0.0, 0.5), "medium": (0.5, 3.0), "dense": (3.0, np.inf)}  # purchase events per period
MIN_PRODUCTS = 30  # of a segment, for a comparison of its own
N_BOOTSTRAP = 1000
CONFIDENCE = 0.95

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class SegmentVerdict:
    """What ships for the products of one segment."""

    segment: str
    n_products: int
    baseline: str  # the simple method with the smallest quantile loss in the segment
    difference: float  # of the quantile loss, model less baseline, relative to the baseline's
    low: float
    high: float
    ships: str  # MODEL, or the name of the baseline

    @property
    def reason(self) -> Reason:
        """Return one line with the numbers."""
        return give_reason(
            "inventory_model" if self.ships == MODEL else "inventory_baseline",
            segment=self.segment,
            n=self.n_products,
            baseline=self.baseline,
            difference=f"{self.difference:+.1%}",
            low=f"{self.low:+.1%}",
            high=f"{self.high:+.1%}",
        )


def judge_segments(backtest: DemandBacktest, seed: int) -> list[SegmentVerdict]:
    """Return a verdict for each segment with products in the back-test.

    The model ships unless it is worse: unless the interval of its difference from the best simple method is above 0.
    A segment with fewer than MIN_PRODUCTS products is judged by all products together.
    """
    ours = backtest.errors[MODEL]
    verdicts = []
    for segment, (low, high) in SEGMENTS.items():
        members = (ours.density >= low) & (ours.density < high)
        n_products = len(np.unique(ours.item[members]))
        if n_products:
            rows = members if n_products >= MIN_PRODUCTS else np.ones(len(members), bool)
            verdicts.append(_judge(backtest.errors, rows, segment, n_products, seed))
    return verdicts


def segment_of(density: Float64) -> NDArray[np.int64]:
    """Return the number of each product's segment, in the order of SEGMENTS."""
    edges = [high for _, high in SEGMENTS.values()][:-1]
    return np.searchsorted(edges, density, "right")


def paired_interval(ours: Float64, theirs: Float64, seed: int) -> tuple[float, float, float]:
    """Return the relative difference of two sums over products, and its bootstrap interval over products."""
    rng = np.random.default_rng(seed)
    n = len(ours)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=N_BOOTSTRAP)
    base = counts @ theirs
    differences = (counts @ ours - base) / np.maximum(base, 1e-12)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(differences, (tail, 1 - tail))
    return float((ours.sum() - theirs.sum()) / max(theirs.sum(), 1e-12)), float(low), float(high)


def _judge(
    errors: dict[str, ProductErrors], rows: NDArray[np.bool_], segment: str, n_products: int, seed: int
) -> SegmentVerdict:
    best = min(BASELINES, key=lambda name: float(errors[name].loss[rows].sum()))
    _, product = np.unique(errors[MODEL].item[rows], return_inverse=True)
    ours, theirs = (np.bincount(product, errors[name].loss[rows]).astype(float) for name in (MODEL, best))
    difference, low, high = paired_interval(ours, theirs, seed)
    return SegmentVerdict(segment, n_products, best, difference, low, high, best if low > 0 else MODEL)
