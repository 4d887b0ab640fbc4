"""What a fault changes in the counts by item: popularity, new items, prices, and the champion's products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from components.monitoring.aggregates import BASE_DAYS, Floats, ItemCounts, ProductChanges
from components.monitoring.expectations import MIN_COUNT, Deviation, describe_span
from components.params import DataChecksParams

MIN_OLDER_DAYS = 14  # days of the oldest part below which items are not compared


def compare_popular(items: list[ItemCounts], covered: int, params: DataChecksParams) -> Iterator[Deviation]:
    """Compare the share of events on the items that were popular before both windows."""
    for part in _comparable(items, covered):
        order = np.argsort(-part.older, kind="stable")
        n_head = int(np.searchsorted(np.cumsum(part.older[order]), part.older.sum() / 2)) + 1
        head = order[:n_head]
        share = part.base[head].sum() / part.base.sum()
        n, expected = part.current[head].sum(), share * part.current.sum()
        text = (
            f"{n:.0f} events of {describe_span(part.span)} on the {n_head} items that had half of the events before, "
            f"expected {expected:.0f}"
        )
        fewer = float((expected + params.prior_events) / (n + params.prior_events))
        yield Deviation(fewer, params.max_popularity_factor, text)


def compare_new(items: list[ItemCounts], covered: int, params: DataChecksParams) -> Iterator[Deviation]:
    """Compare the share of events on items without events before."""
    for part in _comparable(items, covered):
        n, total = part.current[part.base == 0].sum(), part.current.sum()
        before = part.base[part.older == 0].sum() / part.base.sum()
        text = (
            f"{n / total:.1%} of the events of {describe_span(part.span)} are on items without an event in the "
            f"{BASE_DAYS} days before, expected {before:.1%}"
        )
        yield Deviation(
            max(float((n - before * total) / (total + params.prior_events)), 0.0), params.max_new_share, text
        )


def _price_ratios(items: list[ItemCounts], products: ProductChanges | None) -> Iterator[tuple[str, Floats]]:
    for part in items:
        ratio = part.price / part.base_price
        yield f"in the events of {describe_span(part.span)}", ratio[np.isfinite(ratio)]
    if products is not None:
        yield "of the champion's products", products.price_ratio


def compare_prices(
    items: list[ItemCounts], products: ProductChanges | None, params: DataChecksParams
) -> Iterator[Deviation]:
    """Compare each item's median price."""
    for where, ratio in _price_ratios(items, products):
        if len(ratio) >= MIN_COUNT:
            middle = float(np.median(ratio))
            text = f"the median item's price {where} is {middle:.3g} times that before"
            yield Deviation(max(middle, 1 / middle), params.max_price_factor, text)


def find_price_jumps(
    items: list[ItemCounts], products: ProductChanges | None, params: DataChecksParams
) -> Iterator[Deviation]:
    """Count the prices that doubled or halved."""
    for where, ratio in _price_ratios(items, products):
        if len(ratio) >= MIN_COUNT:
            share = float(np.mean((ratio > 2) | (ratio < 1 / 2)))
            text = f"{share:.1%} of {len(ratio)} prices {where} are more than twice, or less than half, of those before"
            yield Deviation(share, params.max_price_jumps, text)


def find_lost(products: ProductChanges | None, params: DataChecksParams) -> Iterator[Deviation]:
    """Count the champion's products, and their values, that are gone."""
    if products is None:
        return
    gone = products.n_lost / max(products.n_known, 1)
    text = f"{products.n_lost} of the champion's {products.n_known} products are gone"
    yield Deviation(gone, params.max_lost_share, text)
    for name, (n, lost) in products.values.items():
        if n >= MIN_COUNT:
            text = f"{lost} of the champion's {n} products with a {name} have none now"
            yield Deviation(lost / n, params.max_lost_share, text)


def find_changed(products: ProductChanges | None, params: DataChecksParams) -> Iterator[Deviation]:
    """Count the champion's products that became another one."""
    for name, (n, other) in products.changed.items() if products is not None else ():
        if n >= MIN_COUNT:
            text = f"{other} of the champion's {n} products have another {name} under the same id"
            yield Deviation(other / n, params.max_changed_share, text)


def _comparable(items: list[ItemCounts], covered: int) -> Iterator[ItemCounts]:
    for part in items:
        long_enough = covered >= part.span + BASE_DAYS + MIN_OLDER_DAYS
        if long_enough and part.current.sum() >= MIN_COUNT and part.base.sum() and part.older.sum():
            yield part
