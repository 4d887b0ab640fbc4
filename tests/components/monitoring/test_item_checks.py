"""Each fault in the counts by item is beyond its limit, and a steady shop is within all of them."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from components.monitoring import item_checks
from components.monitoring.expectations import Deviation
from components.params import Params
from tests.components.monitoring.counts import items, products

COVERED = 84  # days of history


def worst(found: Iterable[Deviation]) -> float:
    """Return the largest distance relative to its limit; the check must compare something."""
    deviations = list(found)
    assert deviations
    return max(deviation.ratio for deviation in deviations)


def test_permuted_ids_take_the_events_from_the_popular_items(params: Params) -> None:
    part = items(n_items=1000)
    assert worst(item_checks.compare_popular([part], COVERED, params.data_checks)) < 0.7
    permuted = replace(part, current=part.current[::-1].copy())
    assert worst(item_checks.compare_popular([permuted], COVERED, params.data_checks)) > 1


def test_new_ids_have_no_events_before(params: Params) -> None:
    part = items(n_items=1000)
    assert worst(item_checks.compare_new([part], COVERED, params.data_checks)) == 0
    half = np.arange(1000) < 10  # of 100 popular items: 90 of the 1,800 events
    unknown = replace(part, base=np.where(half, 0.0, part.base))
    (found,) = item_checks.compare_new([unknown], COVERED, params.data_checks)
    assert found.value == pytest.approx(90 / (1800 + params.data_checks.prior_events))
    all_new = replace(part, base=np.where(np.arange(1000) < 500, 0.0, part.base))
    assert worst(item_checks.compare_new([all_new], COVERED, params.data_checks)) > 1


@pytest.mark.parametrize("covered", [7 + 28, 48])
def test_items_are_not_compared_with_a_short_history(params: Params, covered: int) -> None:
    assert list(item_checks.compare_popular([items()], covered, params.data_checks)) == []
    assert list(item_checks.compare_new([items()], covered, params.data_checks)) == []


@pytest.mark.parametrize(("times", "beyond"), [(1.0, False), (1.3, False), (3.0, True), (0.2, True)])
def test_the_median_price_is_compared_in_events_and_products(params: Params, times: float, beyond: bool) -> None:
    part, changes = items(), products()
    in_events = [replace(part, price=part.price * times)], changes
    in_products = [part], replace(changes, price_ratio=changes.price_ratio * times)
    for compared in (in_events, in_products):
        assert (worst(item_checks.compare_prices(*compared, params.data_checks)) > 1) is beyond
        assert (worst(item_checks.find_price_jumps(*compared, params.data_checks)) > 1) is beyond


def test_a_few_prices_may_double(params: Params) -> None:
    ratio = np.where(np.arange(100) < 20, 4.0, 1.0)
    found = list(item_checks.find_price_jumps([], replace(products(), price_ratio=ratio), params.data_checks))
    assert [(d.value, d.value <= d.limit) for d in found] == [(0.2, True)]


def test_lost_products_and_values_are_shares_of_the_champions(params: Params) -> None:
    assert worst(item_checks.find_lost(products(), params.data_checks)) == 0
    lost = list(item_checks.find_lost(replace(products(), n_lost=30), params.data_checks))
    assert lost[0].value == pytest.approx(0.3)
    assert "30 of the champion's 100 products are gone" in lost[0].text
    untitled = replace(products(), values={"title": (100, 60), "brand": (20, 20)})  # 20 are too few to judge
    assert [d.value for d in item_checks.find_lost(untitled, params.data_checks)] == [0.0, 0.6]


def test_products_under_another_title_are_counted(params: Params) -> None:
    changed = replace(products(), changed={"title": (100, 25), "category": (10, 10)})
    (found,) = item_checks.find_changed(changed, params.data_checks)
    assert (found.value, found.value > found.limit) == (0.25, True)


def test_without_a_champion_there_are_no_products_to_compare(params: Params) -> None:
    assert list(item_checks.find_lost(None, params.data_checks)) == []
    assert list(item_checks.find_changed(None, params.data_checks)) == []
