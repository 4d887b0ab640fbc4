"""Periods that a forecast and its stock must last for, time zones, and values that no shop can have."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components import params
from components.params import InventoryParams


def inventory(file: Path, *lines: str) -> InventoryParams:
    return params.load(file, overrides=[f"inventory.{line}" for line in lines]).inventory


@pytest.mark.parametrize(
    ("lines", "days", "protection", "horizon"),
    [
        (["lead_time_days=14", "review_days=7"], 7, 3, 4),
        (["lead_time_days=30", "review_days=7"], 7, 6, 6),  # 37 days are 5.3 weeks
        (["period=day", "lead_time_days=2", "review_days=1"], 1, 3, 14),
        (["period=day", "lead_time_days=13.5", "review_days=7"], 1, 21, 21),
        (["lead_time_days=0", "review_days=7"], 7, 1, 4),
    ],
)
def test_stock_lasts_over_lead_time_and_review(
    file: Path, lines: list[str], days: int, protection: int, horizon: int
) -> None:
    found = inventory(file, *lines)
    assert (found.period_days, found.protection_periods, found.horizon) == (days, protection, horizon)


def test_every_application_is_off_by_default(file: Path) -> None:
    found = params.load(file)
    assert not any(section.enabled for section in (found.ads, found.inventory, found.marketing))


def test_time_zones_are_those_of_iana(file: Path, refusal: Callable[[str], str]) -> None:
    assert params.load(file, overrides=["marketing.time_zone=Asia/Shanghai"]).marketing.time_zone == "Asia/Shanghai"
    assert "such as Europe/London, got 'CET+1h'" in refusal("marketing.time_zone=CET+1h")


@pytest.mark.parametrize(
    "override",
    [
        "inventory.service_level=1", "inventory.review_days=0", "inventory.period=month", "inventory.holding_cost=-1",
        "marketing.clusters=1", "marketing.holdout_share=1.5", "ads.reserve=-0.1", "ads.exploration=2",
    ],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(refusal: Callable[[str], str], override: str) -> None:
    assert override.partition("=")[0] in refusal(override)
