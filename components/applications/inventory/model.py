"""The model of the demand of all products and horizons: the mean of two LightGBM models, direct multi-horizon.

Their targets are in units of each product, so that products of all sizes share what they teach. One leaves the shop's
growth to the trees; the other divides by it, so that what moves the whole shop is not learned as a matter of one
product. Where sales change with the season, their errors differ: the mean is better than either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.features import Snapshot, recent_mean, take_features, weekday
from components.applications.inventory.growth import forecast_growth, measured_growth
from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import available
from components.contracts import FloatArray

if TYPE_CHECKING:
    import lightgbm

MIN_LINES = 5  # of a product, to be learned from
MAX_TARGET_QUANTILE = 0.9995  # targets above it are cut: single bulk orders
VALUE_PERIODS = 4  # a product's weight is the root of its value over so many periods


@dataclass(frozen=True)
class ModelSettings:
    """Size of the model and of its training sample."""

    n_trees: int = 150
    n_leaves: int = 24
    learning_rate: float = 0.06
    min_leaf: int = 100
    feature_share: float = 0.6
    tweedie_power: float = 1.2
    max_rows: int = 120_000
    n_threads: int = 1
    seed: int = 0


@dataclass(frozen=True)
class TargetUnit:
    """What targets are divided by, and the loss that suits them."""

    divides_growth: bool  # and by the recent mean; False: by the smoothed level alone
    objective: str

    def scale(self, panel: Panel, period: int, snapshot: Snapshot) -> NDArray[np.float64]:
        """Return (n_items,): the unit of each product, without the shop's growth."""
        return recent_mean(panel, period) if self.divides_growth else snapshot.level


UNITS = (TargetUnit(False, "tweedie"), TargetUnit(True, "poisson"))


@dataclass(frozen=True)
class DemandModel:
    """A fitted model."""

    boosters: tuple[lightgbm.Booster, ...]  # of UNITS
    horizon: int

    def predict(self, panel: Panel, period: int, rows: NDArray[np.integer]) -> FloatArray:
        """Return (len(rows), horizon): the expected units of the periods from `period` on."""
        snapshot = take_features(panel, period)
        steps = [_with_horizon(panel, snapshot.values[rows], period, step) for step in range(1, self.horizon + 1)]
        found = []
        for unit, booster in zip(UNITS, self.boosters, strict=True):
            growth = forecast_growth(panel, period, self.horizon) if unit.divides_growth else np.ones(self.horizon)
            values = np.column_stack([booster.predict(features) for features in steps])
            found.append(np.maximum(values, 0) * unit.scale(panel, period, snapshot)[rows][:, None] * growth[None, :])
        return np.asarray(np.mean(found, axis=0), np.float32)


def fit_model(panel: Panel, horizon: int, settings: ModelSettings) -> DemandModel:
    """Learn from all periods of the panel: features at the start of one, demand of the next `horizon` as targets.

    Periods inside suspected stock-outs are no targets. Same panel, settings and number of threads: same model.
    """
    import lightgbm as lgb

    features, targets, weights = _training_rows(panel, horizon, settings)
    boosters = []
    for unit, values in zip(UNITS, targets, strict=True):
        limit = np.quantile(values, MAX_TARGET_QUANTILE)
        data = lgb.Dataset(features, np.minimum(values, limit), weight=weights)
        boosters.append(lgb.train(_lightgbm_params(settings, unit.objective), data, settings.n_trees))
    return DemandModel(tuple(boosters), horizon)


def _lightgbm_params(settings: ModelSettings, objective: str) -> dict[str, Any]:
    return {
        "objective": objective,
        "tweedie_variance_power": settings.tweedie_power,
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.n_leaves,
        "min_data_in_leaf": settings.min_leaf,
        "feature_fraction": settings.feature_share,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "max_bin": 63,
        "num_threads": settings.n_threads,
        "seed": settings.seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def _training_rows(
    panel: Panel, horizon: int, settings: ModelSettings
) -> tuple[FloatArray, list[NDArray[np.float64]], NDArray[np.float64]]:
    """Return features, the targets of each of UNITS, and weights, of a random sample of (product, period, horizon)."""
    rng = np.random.default_rng(settings.seed)
    last = panel.n_periods
    on_sale = available(panel.resumed, panel.first, last)
    starts = list(range(_first_start(panel), last))
    eligible = {t: np.flatnonzero(panel.lines[:, :t].sum(axis=1) >= MIN_LINES) for t in starts}
    n_all = sum(len(rows) * min(horizon, last - t) for t, rows in eligible.items())
    share = min(1.0, settings.max_rows / max(n_all, 1))
    features: list[FloatArray] = []
    targets: list[list[NDArray[np.float64]]] = [[] for _ in UNITS]
    weights: list[NDArray[np.float64]] = []
    for t in (start for start in starts if len(eligible[start])):  # early on, few products have sold at all
        snapshot = take_features(panel, t)
        scales = [unit.scale(panel, t, snapshot) for unit in UNITS]
        value = np.sqrt(panel.value[:, max(0, t - VALUE_PERIODS) : t].mean(axis=1) + 0.01)
        for step in range(1, min(horizon, last - t) + 1):
            rows = eligible[t]
            rows = rows[(rng.random(len(rows)) < share) & on_sale[rows, t + step - 1]]
            growth = measured_growth(panel, t, step)
            features.append(_with_horizon(panel, snapshot.values[rows], t, step))
            for unit, scale, parts in zip(UNITS, scales, targets, strict=True):
                divisor = scale[rows] * (growth if unit.divides_growth else 1.0)
                parts.append(panel.quantity[rows, t + step - 1] / divisor)
            weights.append(value[rows] / value[eligible[t]].mean())
    return np.concatenate(features), [np.concatenate(parts) for parts in targets], np.concatenate(weights)


def _first_start(panel: Panel) -> int:
    """Return the first period to learn from: features need some history before it."""
    return max(2, min(8 if panel.period_days == 7 else 42, panel.n_periods // 3))


def _with_horizon(panel: Panel, values: FloatArray, period: int, step: int) -> FloatArray:
    extra = np.array([step, weekday(panel, period + step - 1)][: 1 if panel.period_days == 7 else 2], np.float32)
    return np.column_stack([values, np.broadcast_to(extra, (len(values), len(extra)))])
