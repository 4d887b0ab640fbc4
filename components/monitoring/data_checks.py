"""Guardrails on the data: whether the newest days are like the weeks before them, so that a model may learn from them.

One check for each kind of fault. Its value is the distance from what is expected, and it passes up to its limit. Of
several spans of days, columns or kinds of events, the worst relative to its limit is given. What is expected is the
median of the same days of the week in the weeks before, so that a shop that is closed on Saturdays, or was closed for
a week, is no fault.

    volume              times more or fewer events; in one day, times more only
    days without events days of the last 7 with less than a tenth of the expected events
    kinds of events     times more or fewer events of one kind
    activity of users   times more or fewer events per user and day: doubled events, without more users
    lost values         share of the values of a column of the events that became null
    numbers             rows with NaN or infinity
    repeated events     share of events that repeat another (user, item, kind, time)
    popular items       times fewer events on the items that were popular before: permuted item ids
    returning users     times fewer returns to a user's own items or categories: users or items that are exchanged
    new items           share of events on items that had none: other item ids
    prices              times by which the median item's price changed; price jumps: share of items with x 2 or / 2
    products            share of the champion's products that are gone, or whose values are gone
    identity            share of the champion's products that now have another title or category under their id
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from components.contracts import Check, Record
from components.monitoring import day_checks, item_checks, user_checks
from components.monitoring.aggregates import (
    BASE_DAYS,
    SPANS,
    DailyCounts,
    ItemCounts,
    ProductChanges,
    compare_products,
    count_days,
    count_items,
    create_recent,
)
from components.monitoring.expectations import WEEK, Deviation
from components.monitoring.user_checks import ReturnCounts, count_returns
from components.params import DataChecksParams

DATA_CHECKS = "data_checks.json"  # in reports/drift
PREFIX = "data: "  # of the name of each check


class DataChecks(Record):
    """reports/drift/data_checks.json."""

    checks: tuple[Check, ...]  # a value at or below its limit passes
    notes: tuple[str, ...]  # what was not checked, and why

    @property
    def failed(self) -> tuple[Check, ...]:
        """Return the checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)


def check_data(
    snapshot: Path, as_of: datetime, params: DataChecksParams, memory_gib: float, known: Path | None = None
) -> DataChecks:
    """Return the checks of a snapshot; known: items.parquet of the bundle that serves, None where nothing serves."""
    import duckdb

    n_days = SPANS[-1] + WEEK * params.weeks
    n_days = max(n_days, SPANS[-1] + 2 * BASE_DAYS)
    with duckdb.connect(config={"memory_limit": f"{memory_gib}GiB"}) as connection:
        create_recent(connection, snapshot, as_of, n_days)
        days, items = count_days(connection, n_days), count_items(connection)
        products = compare_products(connection, snapshot, known) if known is not None else None
        returns = count_returns(connection, snapshot)
    return judge(days, items, products, params, returns)


def judge(
    days: DailyCounts,
    items: list[ItemCounts],
    products: ProductChanges | None,
    params: DataChecksParams,
    returns: Sequence[ReturnCounts] = (),
) -> DataChecks:
    """Return the checks of these aggregates."""
    covered = days.n_covered
    if not covered:
        why = f"no events in the {len(days.n)} days before as_of: nothing can be compared"
        return DataChecks(checks=(_failed("volume", params.max_volume_factor, why),), notes=())
    families = {
        "volume": ("data_checks.max_volume_factor", list(day_checks.compare_volume(days, params))),
        "days without events": ("data_checks.max_missing_days", list(day_checks.find_missing_days(days, params))),
        "kinds of events": ("data_checks.max_kind_factor", list(day_checks.compare_kinds(days, params))),
        "activity of users": ("data_checks.max_activity_factor", list(day_checks.compare_activity(days, params))),
        "lost values": ("data_checks.max_null_share", list(day_checks.compare_nulls(days, params))),
        "numbers": ("", list(day_checks.find_not_finite(days, products))),
        "repeated events": ("data_checks.max_repeated_share", list(day_checks.compare_repeats(days, params))),
        "popular items": (
            "data_checks.max_popularity_factor",
            list(item_checks.compare_popular(items, covered, params)),
        ),
        "returning users": (
            "data_checks.max_return_factor",
            list(user_checks.compare_returns(returns, covered, params)),
        ),
        "new items": ("data_checks.max_new_share", list(item_checks.compare_new(items, covered, params))),
        "prices": ("data_checks.max_price_factor", list(item_checks.compare_prices(items, products, params))),
        "price jumps": ("data_checks.max_price_jumps", list(item_checks.find_price_jumps(items, products, params))),
        "products": ("data_checks.max_lost_share", list(item_checks.find_lost(products, params))),
        "identity": ("data_checks.max_changed_share", list(item_checks.find_changed(products, params))),
    }
    left_out = [name for name, (_, found) in families.items() if not found]
    notes = [f"{name}: not checked, {_reason(name, products is None, covered)}" for name in left_out]
    checks = [_worst(name, param, found) for name, (param, found) in families.items() if found]
    return DataChecks(checks=tuple(checks), notes=tuple(notes))


def _worst(name: str, param: str, found: list[Deviation]) -> Check:
    worst = max(found, key=lambda deviation: deviation.ratio)
    beyond = [deviation for deviation in found if not deviation.value <= deviation.limit]
    why = worst.text
    if beyond:
        why += f" (limit {worst.limit:.4g})"
        why += f"; {len(beyond)} of {len(found)} comparisons are beyond their limit" if len(found) > 1 else ""
        advice = f", or, if the change is wanted, raise {param} for one run with --set" if param else ""
        why += f"; look at the sources and data/quarantine, correct them and run again{advice}"
    return Check(name=f"{PREFIX}{name}", passed=not beyond, value=worst.value, limit=worst.limit, why=why)


def _failed(name: str, limit: float, why: str) -> Check:
    return Check(name=f"{PREFIX}{name}", passed=False, value=None, limit=limit, why=why)


def _reason(name: str, nothing_serves: bool, covered: int) -> str:
    if nothing_serves and name in ("products", "identity"):
        return "nothing serves yet"
    return f"too few values, or too short a history ({covered} days)"
