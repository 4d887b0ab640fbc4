"""What the tables of bench_gate.py share: values, samples of them with a stated gain, and rows of Markdown."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
from gate_bootstrap import Resamples
from gate_data import Pool, Shop, make_pool

from components.contracts import FloatArray
from components.params import Params

SIZES = (200, 500, 2000)
PAIRS = {"one recipe, two seeds (ALS)": ("als", "als 2"), "two recipes (ALS, EASE)": ("als", "ease")}
ALPHA = 0.05  # docs/gate-checks.md: any change of the recipe in 50 days of weekly retrains of equal recipes
WINDOW_DAYS = 30  # of a retrain's test window


@dataclass(frozen=True)
class Bench:
    """The shop, its pool of values, and how much is simulated."""

    shop: Shop
    last: datetime
    pairs: int
    decisions: int
    nights: int
    nightly: bool  # also retrain each night

    @cached_property
    def pool(self) -> Pool:
        """Return the values of three windows of 30 days, the last of which ends with the data."""
        return make_pool(self.shop, [self.last - timedelta(days=WINDOW_DAYS * n) for n in (2, 1, 0)], WINDOW_DAYS)

    @property
    def params(self) -> Params:
        """Return the shop's parameters."""
        return self.shop.params

    def samples(self, pair: tuple[str, str], gain: float, n: int, count: int) -> np.ndarray:
        """Return (count, n) rows of the pool, under which the first model is better by `gain` of the second's mean."""
        own, other = (self.pool.values[name] for name in pair)
        weights = tilt(own - other - gain * other)
        rng = np.random.default_rng([self.params.seed, n, int(1000 * gain)])
        return rng.choice(len(weights), (count, n), p=weights)

    def differences(self, pair: tuple[str, str], gain: float, n: int, count: int) -> FloatArray:
        """Return (count, n) the differences of both models in such samples."""
        own, other = (self.pool.values[name] for name in pair)
        found: FloatArray = (own - other)[self.samples(pair, gain, n, count)]
        return found

    def resamples(self, n: int) -> Resamples:
        """Return the resamples of n users."""
        return Resamples(n, self.params.gate.resamples, self.params.seed)


def tilt(values: FloatArray) -> FloatArray:
    """Return probabilities proportional to exp(c x value) under which the mean of the values is 0."""
    x = values.astype(np.float64)
    low, high = -200.0, 200.0
    for _ in range(200):
        c = (low + high) / 2
        weights = np.exp(c * x - (c * x).max())
        low, high = (low, c) if (weights * x).sum() > 0 else (c, high)
    return weights / weights.sum()


def share(count: int, of: int) -> str:
    """Return a share with its 95 % margin (Wald)."""
    p = count / of
    return f"{p:.1%} ± {1.96 * np.sqrt(max(p * (1 - p), 1 / of / of) / of):.1%}"


def table(*columns: str) -> None:
    """Print the head of a table."""
    print("\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))


def row(*cells: object) -> None:
    """Print one row."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
