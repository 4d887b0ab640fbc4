"""Spend beside the plan: by campaign and hour of the day."""

from pathlib import Path

import pytest

from components.serving.inference.campaign_status import read_campaigns
from components.serving.storage.ad_ledger import AdDecision, AdLedger
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.times import DAY_US, HOUR_US
from tests.components.applications.ads.test_published import make

NOON = 20_600 * DAY_US + 12 * HOUR_US


def test_spend_counts_on_its_day_and_hour(tmp_path: Path) -> None:
    store = SqliteEventStore(tmp_path / "state.db")
    ledger = AdLedger(store)
    for n, at in enumerate((NOON - DAY_US, NOON - 3 * HOUR_US, NOON - HOUR_US)):
        decision = AdDecision(f"d{n}", "a", "c1", "click", 1, 0.25, 0.05, {"a": 1.0})
        ledger.decide(f"u{n}", at, DAY_US, lambda _, decision=decision: [decision])
        ledger.record(f"d{n}", "click", at + 1, {"c1": 100.0}, DAY_US)
    found = read_campaigns(make(), ledger, NOON)
    store.close()
    first, second = found.campaigns[:2]
    assert (found.as_of[:10], first.campaign, first.ads, first.daily_budget) == ("2026-05-27", "c1", 1, 100.0)
    assert first.spent == pytest.approx(0.5)  # of today
    assert [(hour.hour, hour.clicks) for hour in first.hours if hour.impressions] == [(9, 1), (11, 1)]
    assert first.planned == pytest.approx(50)
    assert sum(hour.planned for hour in first.hours) == pytest.approx(100 * 13 / 24)  # the last hour has begun
    assert (second.spent, second.is_active) == (0.0, True)
