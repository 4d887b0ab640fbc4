"""Each fault is refused by the check of its kind, at the exact distance; a sound shop, closed on Saturdays, passes."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.contracts import EVENTS
from components.monitoring.aggregates import COLUMNS, DailyCounts, ItemCounts, ProductChanges
from components.monitoring.data_checks import PREFIX, DataChecks, check_data, judge
from components.monitoring.user_checks import ReturnCounts
from components.params import DataChecksParams
from tests.components.monitoring.support import SHIFT, catalogue, visits, write_snapshot

PARAMS = DataChecksParams()
N_DAYS = 84
VIEW, PURCHASE, RETURN = (EVENTS.index(name) for name in ("view", "purchase", "return"))
PRICE, USER = COLUMNS.index("price"), COLUMNS.index("user_id")
SATURDAY = 3  # its day, and each seventh after it


def shop() -> DailyCounts:
    """Return a shop with 900 views, 90 purchases and 10 returns a day, two per user, closed on Saturdays."""
    n = np.zeros((N_DAYS, len(EVENTS)))
    n[:, [VIEW, PURCHASE, RETURN]] = (900, 90, 10)
    n[SATURDAY::7] = 0
    days = DailyCounts(
        n=n,
        nulls=np.zeros((N_DAYS, len(EVENTS), len(COLUMNS))),
        not_finite=np.zeros((N_DAYS, 4)),
        repeats=np.zeros(N_DAYS),
        user_days=np.zeros(N_DAYS),
        log_events=np.zeros(N_DAYS),
    )
    days.user_days[:] = days.actions / 2
    days.log_events[:] = days.user_days * np.log(2)
    return days


def items(span: int = 28) -> ItemCounts:
    """Return 100 items, of which ten have half of the events, at the price of 5."""
    n = np.array([90.0] * 10 + [10.0] * 90)
    price = np.full(100, 5.0)
    return ItemCounts(span=span, current=n, base=n, older=n, price=price, base_price=price)


def products(**changed: Any) -> ProductChanges:
    whole = ProductChanges(
        n_known=100,
        n_lost=0,
        values={"title": (100, 0), "brand": (20, 20)},
        changed={"title": (100, 0), "category": (100, 0)},
        price_ratio=np.ones(100),
        not_finite=0,
    )
    return replace(whole, **changed)


def found(days: DailyCounts | None = None, part: ItemCounts | None = None, now: ProductChanges | None = None) -> Any:
    """Return the value of each check by its name, of those that failed."""
    checks = judge(days or shop(), [part or items()], now, PARAMS)
    return {check.name.removeprefix(PREFIX): pytest.approx(check.value) for check in checks.failed}


def test_a_sound_shop_passes_every_check() -> None:
    returns = [ReturnCounts(span=28, key="items", n=1000, n_own=400, base_n=500, base_own=200)]
    checks = judge(shop(), [items()], products(), PARAMS, returns)
    assert not checks.failed
    assert not checks.notes
    assert [check.name.removeprefix(PREFIX) for check in checks.checks] == [
        "volume", "days without events", "kinds of events", "activity of users", "lost values", "numbers",
        "repeated events", "popular items", "returning users", "new items", "prices", "price jumps", "products",
        "identity",
    ]  # fmt: skip
    values = {check.name.removeprefix(PREFIX): check.value for check in checks.checks}
    ones = ("volume", "kinds of events", "activity of users", "popular items", "returning users", "prices")
    assert values == {name: pytest.approx(float(name in ones)) for name in values}


def test_doubled_events_change_what_a_user_does_in_a_day() -> None:
    days = shop()
    days.n[:28] *= 2
    days.log_events[:28] = days.user_days[:28] * np.log(4)
    assert found(days) == {"activity of users": pytest.approx(2)}


def test_a_busy_season_with_more_users_passes() -> None:
    days = shop()
    for counts in (days.n, days.user_days, days.log_events):
        counts[:7] *= 2.2
    assert not found(days)


def test_three_times_the_events_in_a_week_are_refused() -> None:
    days = shop()
    for counts in (days.n, days.user_days, days.log_events):
        counts[:7] *= 3
    assert found(days) == {"volume": pytest.approx((18000 + 30) / (6000 + 30))}


def test_six_times_the_events_of_a_day_are_refused_and_a_day_without_events_is_not() -> None:
    days = shop()
    for counts in (days.n, days.user_days, days.log_events):
        counts[0] *= 6
    assert found(days)["volume"] == pytest.approx(6030 / 1030)
    days = shop()
    days.n[0] = 0
    assert not found(days)


@pytest.mark.parametrize(("closed", "refused"), [(3, False), (4, True)])
def test_up_to_three_closed_days_in_a_week_pass(closed: int, refused: bool) -> None:
    """Easter: Good Friday, Easter Sunday and Monday, beside the usual Saturday."""
    days = shop()
    days.n[[0, 1, 2, 4][:closed]] = 0
    days.n[11:18] = 0  # a closed week before is no reason: the median of the weeks counts
    assert ("days without events" in found(days)) == refused


def test_a_week_without_data_is_refused_until_it_is_over() -> None:
    days = shop()
    days.n[:7] = 0
    assert found(days)["volume"] == pytest.approx((6000 + 30) / 30)
    assert found(days)["days without events"] == 6
    days = shop()
    days.n[7:14] = 0
    assert not found(days)


def test_returns_read_as_purchases_are_a_kind_that_vanished() -> None:
    days = shop()
    days.n[:28, PURCHASE] += days.n[:28, RETURN]
    days.n[:28, RETURN] = 0
    assert found(days) == {"kinds of events": pytest.approx((240 + 30) / 30)}
    (check,) = judge(days, [items()], None, PARAMS).failed
    assert check.why.startswith("0 of the kind return in the last 28 days, expected 240 (limit 3)")
    assert "raise data_checks.max_kind_factor for one run with --set" in check.why


def test_few_events_of_a_kind_vary_without_an_alarm() -> None:
    days = shop()
    days.n[:, RETURN] = 1
    days.n[:7, RETURN] = 8
    assert not found(days)


def test_lost_values_are_judged_beside_their_usual_range() -> None:
    days = shop()
    days.nulls[:, PURCHASE, PRICE] = days.n[:, PURCHASE]  # purchases never have a price
    assert not found(days)
    days.nulls[:7, VIEW, PRICE] = days.n[:7, VIEW] / 2
    assert found(days) == {"lost values": pytest.approx(0.45)}
    days = shop()
    days.nulls[35:42, VIEW, USER] = days.n[35:42, VIEW] * 0.6  # such a week was there before: 54 % of all events
    days.nulls[:7, VIEW, USER] = days.n[:7, VIEW] * 0.65
    assert not found(days)
    days.nulls[:7, VIEW, USER] = days.n[:7, VIEW]
    assert found(days) == {"lost values": pytest.approx(0.9)}


@pytest.mark.parametrize(("lost", "refused"), [(0.14, False), (0.16, True)])
def test_a_few_lost_values_are_no_alarm(lost: float, refused: bool) -> None:
    days = shop()
    days.nulls[:7, :, USER] = days.n[:7] * lost
    assert bool(found(days)) is refused


def test_nulls_of_another_mix_of_events_are_no_fault() -> None:
    days = shop()
    days.nulls[:, PURCHASE, PRICE] = days.n[:, PURCHASE]
    days.n[:7, VIEW] /= 2  # then purchases are 17 % of the events
    assert not found(days)


@pytest.mark.parametrize("day", [0, 27])
def test_one_infinite_number_is_refused(day: int) -> None:
    days = shop()
    days.not_finite[day, 1] = 1
    assert found(days) == {"numbers": pytest.approx(1)}
    assert found(now=products(not_finite=1)) == {"numbers": pytest.approx(1)}


def test_repeated_events_are_refused_beyond_their_usual_share() -> None:
    days = shop()
    days.repeats[:] = days.actions / 10
    assert not found(days)
    days.repeats[:7] = days.actions[:7] / 4
    assert found(days) == {"repeated events": pytest.approx(0.15)}


def test_permuted_items_lose_the_popular_ones() -> None:
    part = items()
    permuted = replace(part, current=part.current[::-1].copy(), price=part.price[::-1].copy())
    assert found(part=permuted) == {"popular items": pytest.approx((900 + 30) / (100 + 30))}


def test_other_item_ids_are_new_items() -> None:
    part = items()
    other = replace(
        part,
        current=np.concatenate([part.current * 0.7, [540.0]]),
        base=np.append(part.base, 0.0),
        older=np.append(part.older, 0.0),
        price=np.append(part.price, 5.0),
        base_price=np.append(part.base_price, np.nan),
    )
    assert found(part=other) == {"new items": pytest.approx(540 / (1800 + 30))}


def test_prices_of_another_unit_are_refused_in_events_and_products() -> None:
    part = items()
    assert found(part=replace(part, price=part.price * 100)) == {"prices": 100, "price jumps": 1}
    assert found(now=products(price_ratio=np.full(100, 0.01))) == {"prices": 100, "price jumps": 1}
    third = np.where(np.arange(100) < 33, 100.0, 1.0)
    assert found(now=products(price_ratio=third)) == {"price jumps": 0.33}
    assert not found(part=replace(part, price=part.price * 1.9))


def test_products_that_are_gone_or_lost_their_values_are_refused() -> None:
    assert found(now=products(n_lost=34)) == {"products": 0.34}
    assert found(now=products(values={"title": (100, 11)})) == {"products": 0.11}
    assert not found(now=products(n_lost=10))


def test_other_products_under_the_same_ids_are_refused() -> None:
    assert found(now=products(changed={"title": (100, 21), "category": (100, 0)})) == {"identity": 0.21}


def test_without_a_champion_and_with_a_short_history_the_rest_is_left_out_with_a_reason() -> None:
    days = shop()
    days.n[12:] = 0
    checks = judge(days, [items()], None, PARAMS)
    assert not checks.failed
    assert "products: not checked, nothing serves yet" in checks.notes
    assert "volume: not checked, too few values, or too short a history (12 days)" in checks.notes
    assert [check.name for check in checks.checks] == [f"{PREFIX}numbers", f"{PREFIX}prices", f"{PREFIX}price jumps"]


def test_no_events_at_all_never_pass() -> None:
    days = shop()
    days.n[:] = 0
    (check,) = judge(days, [items()], None, PARAMS).failed
    assert (check.name, check.value) == (f"{PREFIX}volume", None)


def test_a_snapshot_is_sound_until_its_items_are_permuted(tmp_path: Path) -> None:
    """Ten items are bought most; from 28 days before as_of on, all ids are other ones."""
    as_of = SHIFT + timedelta(days=28)
    rows = [
        row | {"item_id": f"sku-{int(row['item_id'][4:]) // 6}"} if i % 2 else row for i, row in enumerate(visits(1))
    ]
    permuted = [
        row | {"item_id": f"sku-{59 - int(row['item_id'][4:])}"}
        if row["timestamp"] >= (as_of - timedelta(days=28)).replace(tzinfo=None)
        else row
        for row in rows
    ]
    for name, events, refused in (("sound", rows, False), ("permuted", permuted, True)):
        snapshot = write_snapshot(tmp_path / name, events, catalogue())
        checks = check_data(snapshot, as_of, PARAMS, 1.0)
        assert [check.name for check in checks.failed] == [
            f"{PREFIX}popular items",
            f"{PREFIX}returning users",
        ] * refused
        assert checks == check_data(snapshot, as_of, PARAMS, 1.0)
        assert DataChecks.model_validate_json(checks.model_dump_json()) == checks


def test_as_of_bounds_what_is_read(tmp_path: Path) -> None:
    rows = visits(1)
    later = [row | {"timestamp": row["timestamp"] + timedelta(days=84), "event": "return"} for row in rows]
    as_of = SHIFT + timedelta(days=28)
    assert check_data(write_snapshot(tmp_path / "a", rows, catalogue()), as_of, PARAMS, 1.0) == check_data(
        write_snapshot(tmp_path / "b", rows + later, catalogue()), as_of, PARAMS, 1.0
    )
