"""Counts of a steady shop by day and by item, to be changed by a test."""

import numpy as np

from components.contracts import EVENTS
from components.monitoring.aggregates import COLUMNS, NUMBERS, DailyCounts, ItemCounts, ProductChanges

VIEW, PURCHASE = EVENTS.index("view"), EVENTS.index("purchase")


def daily(n_days: int, per_day: float = 100) -> DailyCounts:
    """Return days with as many events, four fifths views and one fifth purchases, two for each user and day."""
    n = np.zeros((n_days, len(EVENTS)))
    n[:, VIEW], n[:, PURCHASE] = 0.8 * per_day, 0.2 * per_day
    return DailyCounts(
        n=n,
        nulls=np.zeros((n_days, len(EVENTS), len(COLUMNS))),
        not_finite=np.zeros((n_days, len(NUMBERS))),
        repeats=np.zeros(n_days),
        user_days=np.full(n_days, per_day / 2),
        log_events=np.full(n_days, per_day / 2 * np.log(2)),
    )


def items(span: int = 7, n_items: int = 100) -> ItemCounts:
    """Return items of which the first tenth has half of all events, in each window, at one price."""
    popular = np.where(np.arange(n_items) < n_items // 10, 9.0, 1.0)
    price = np.full(n_items, 5.0)
    return ItemCounts(span=span, current=popular, base=4 * popular, older=4 * popular, price=price, base_price=price)


def products(n: int = 100) -> ProductChanges:
    """Return a bundle's products, all of which are as they were."""
    columns = ("title", "brand", "category", "description", "price")
    return ProductChanges(
        n_known=n,
        n_lost=0,
        values=dict.fromkeys(columns, (n, 0)),
        changed=dict.fromkeys(("title", "category"), (n, 0)),
        price_ratio=np.ones(n),
        not_finite=0,
    )
