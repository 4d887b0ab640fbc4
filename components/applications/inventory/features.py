"""What is known about each product at the start of a period; nothing at or after that period is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import available
from components.contracts import BoolArray, FloatArray
from components.times import DAY_US, to_datetime

WEEK_WINDOWS = (1, 2, 4, 8, 13, 26)  # periods
DAY_WINDOWS = (1, 3, 7, 14, 28, 91)
WEEK_LAGS = (1, 2, 3, 4)
DAY_LAGS = (1, 2, 3, 7, 14)
WEEK_DECAY, DAY_DECAY = 0.9, 0.98  # weight of a period in the level, relative to the next
PRIOR_PERIODS = 0.5  # weight of the neighbours' level in a product's own, in periods
MIN_MEAN = 0.1  # units per period that are added to a recent mean
PRICE_PERIODS = 13  # the usual price is a mean over so many periods


@dataclass(frozen=True)
class Snapshot:
    """All products at the start of one period."""

    values: FloatArray  # (n_items, n_features); NaN where unknown
    names: list[str]
    level: NDArray[np.float64]  # (n_items,) > 0; smoothed units per period, the unit of the model's target


def take_features(panel: Panel, period: int) -> Snapshot:
    """Return the features at the start of `period` (1 or later), in units of each product's level."""
    weekly = panel.period_days == 7
    windows, lags = (WEEK_WINDOWS, WEEK_LAGS) if weekly else (DAY_WINDOWS, DAY_LAGS)
    on_sale = available(panel.resumed, panel.first, period)
    quantity, lines = panel.quantity[:, :period], panel.lines[:, :period]
    level = smoothed_level(panel, period, on_sale)
    columns: dict[str, NDArray[np.floating]] = {}
    for lag in lags:
        columns[f"lag_{lag}"] = quantity[:, -lag] / level if lag <= period else np.full(len(level), np.nan)
    line_means = {window: masked_mean(lines, on_sale, window) for window in windows}
    for window in windows[1:]:
        columns[f"mean_{window}"] = masked_mean(quantity, on_sale, window) / level
    for window in windows:
        columns[f"lines_{window}"] = line_means[window]
    columns["lines_trend"] = line_means[windows[2]] / (line_means[windows[4]] + 0.1)
    columns["sold_share"] = masked_mean((lines > 0).astype(np.float32), on_sale, windows[4])
    recent = quantity[:, -windows[4] :]
    columns["spread"] = recent.std(axis=1) / level
    columns["largest"] = recent.max(axis=1) / level
    columns["units_per_line"] = np.log(
        (masked_mean(quantity, on_sale, windows[4]) + 0.01) / (line_means[windows[4]] + 0.01)
    )
    columns["log_level"] = np.log(level)
    columns["age"] = np.clip(period - panel.first, 0, 2 * windows[-1]).astype(float)
    columns["gap"] = _periods_since(lines > 0)
    columns |= _price_features(panel, period)
    columns |= _behaviour_features(panel, period, windows)
    columns |= _group_features(panel, period, windows)
    columns |= _shop_features(panel, period, windows)
    return Snapshot(np.column_stack(list(columns.values())).astype(np.float32), list(columns), level)


def recent_mean(panel: Panel, period: int) -> NDArray[np.float64]:
    """Return each product's mean units per period over the newest 13 weeks or 28 days, above 0."""
    window = (WEEK_WINDOWS if panel.period_days == 7 else DAY_WINDOWS)[4]
    return np.asarray(panel.quantity[:, max(0, period - window) : period].mean(axis=1), float) + MIN_MEAN


def weekday(panel: Panel, period: int) -> int:
    """Return the day of the week at which the period starts, 0 for Monday; also for periods still to come."""
    return to_datetime(int(panel.starts[0]) + period * panel.period_days * DAY_US).weekday()


def period_decay(panel: Panel) -> float:
    """Return the weight of a period in smoothed levels, relative to the next one."""
    return WEEK_DECAY if panel.period_days == 7 else DAY_DECAY


def smoothed_level(panel: Panel, period: int, on_sale: BoolArray) -> NDArray[np.float64]:
    """Return each product's exponentially weighted mean of units per period on sale, drawn to that of its peers."""
    weights = period_decay(panel) ** np.arange(period - 1, -1, -1)
    mass = (on_sale * weights).sum(axis=1)
    sums = (panel.quantity[:, :period] * on_sale * weights).sum(axis=1)
    lines = (panel.lines[:, :period] * on_sale * weights).sum(axis=1)
    prior = _peer_level(panel, lines, mass) * (sums + 1e-3) / (lines + 1e-3)
    return np.asarray((sums + PRIOR_PERIODS * prior) / (mass + PRIOR_PERIODS) + 1e-3)


def masked_mean(values: FloatArray, on_sale: BoolArray, window: int) -> NDArray[np.float64]:
    """Return the mean over the newest `window` periods in which the product was on sale; 0 where there is none."""
    mask = on_sale[:, -window:]
    return np.asarray((values[:, -window:] * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1))


def _peer_level(panel: Panel, sums: NDArray[np.float64], mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean lines per period of the product's finest group, or of all products where there are no groups."""
    if not panel.groups:
        return np.full(len(sums), sums.sum() / max(mass.sum(), 1e-9))
    codes = list(panel.groups.values())[-1]
    total, weight = np.bincount(codes, sums), np.bincount(codes, mass)
    return np.asarray((total / np.maximum(weight, 1e-9))[codes])


def _periods_since(sold: BoolArray) -> NDArray[np.float64]:
    backwards = sold[:, ::-1]
    return np.asarray(np.where(backwards.any(axis=1), backwards.argmax(axis=1), sold.shape[1]), float)


def _price_features(panel: Panel, period: int) -> dict[str, NDArray[np.floating]]:
    """Return the last price relative to the usual one; a promotion shows as a price below it."""
    start = max(0, period - PRICE_PERIODS)
    quantity, value = panel.quantity[:, start:period], panel.value[:, start:period]
    with np.errstate(invalid="ignore", divide="ignore"):
        price = np.where(quantity > 0, value / quantity, np.nan)
        usual = np.where(quantity.any(axis=1), value.sum(axis=1) / quantity.sum(axis=1), np.nan)
    newest = np.where(np.isnan(price), -1, np.arange(price.shape[1])).max(axis=1)
    last = np.where(newest >= 0, price[np.arange(len(price)), newest], np.nan)
    ratio = np.divide(last, usual, out=np.full(len(last), np.nan), where=usual > 0)
    return {"price_ratio": ratio, "log_price": np.log(usual + 0.01)}


def _behaviour_features(panel: Panel, period: int, windows: tuple[int, ...]) -> dict[str, NDArray[np.floating]]:
    """Return views and carts; where the shop records none, no column."""
    columns: dict[str, NDArray[np.floating]] = {}
    for name, counts in (("views", panel.views), ("carts", panel.carts)):
        if counts.any():
            recent, usual = (counts[:, max(0, period - windows[k]) : period].mean(axis=1) for k in (1, 4))
            columns[name] = np.log1p(recent)
            columns[f"{name}_trend"] = recent / (usual + 0.1)
    return columns


def _group_features(panel: Panel, period: int, windows: tuple[int, ...]) -> dict[str, NDArray[np.floating]]:
    """Return how the share of each group of the product in the shop's lines compares with its recent mean."""
    columns: dict[str, NDArray[np.floating]] = {}
    for level, codes in panel.groups.items():
        total = sum_groups(panel.lines[:, max(0, period - windows[4]) : period], codes)
        total = total / np.maximum(total.sum(axis=0), 1)
        usual = total.mean(axis=1) + 1e-4
        for window in windows[:3]:
            columns[f"{level}_{window}"] = (total[:, -window:].mean(axis=1) / usual)[codes]
    return columns


def _shop_features(panel: Panel, period: int, windows: tuple[int, ...]) -> dict[str, NDArray[np.floating]]:
    """Return how the newest lines of the whole shop compare with their mean: the same value for every product."""
    total = panel.lines[:, max(0, period - windows[4]) : period].sum(axis=0)
    usual = max(float(total.mean()), 1e-9)
    n = len(panel.item_id)
    return {f"shop_{window}": np.full(n, total[-window:].mean() / usual) for window in windows[:3]}


def sum_groups(values: FloatArray, codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return (n_groups, n_columns): the sum over the products of each group."""
    sums = np.zeros((int(codes.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(sums, codes, values)
    return sums
