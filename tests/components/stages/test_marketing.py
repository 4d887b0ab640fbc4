"""The stage carries segments over from what is published, and makes nothing where it is disabled."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components.applications.publish import publish
from components.applications.record import ApplicationRecord, find_application
from components.settings import Settings
from components.stages import ingest, marketing, resolve

SMALL = """shop.n_users=120
shop.n_items=100
shop.days=45
marketing.enabled=true
marketing.clusters=2
marketing.stability_weeks=0
marketing.resamples=20"""


def make_as_of(day: str, monkeypatch: pytest.MonkeyPatch) -> ApplicationRecord:
    """Return the record of the stage in the current folder, on the events before a day."""
    monkeypatch.setenv("CAROUSEL_OVERRIDES", f"{SMALL}\ndata.as_of={day}T00:00:00Z")
    for stage in (resolve, ingest, marketing):
        stage.main()
    record = find_application(Path("applications/marketing"))
    assert record is not None
    return record


def test_a_later_run_carries_the_segments_in_use_over(
    enter: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = enter(SMALL)
    caplog.set_level("INFO", logger="marketing")
    record = make_as_of("2026-02-20", monkeypatch)
    assert f"ships {record.ships}: {record.reasons[0]}" in caplog.text
    publish(folder, "marketing", Settings(home=folder / "home").shop("carousel"))
    again = make_as_of("2026-02-27", monkeypatch)
    assert [r.counts["segments_carried_over"] for r in (record, again)] == [0, 1]


def test_a_disabled_application_makes_nothing(enter: Callable[[str], Path]) -> None:
    folder = enter("shop.n_users=120")
    resolve.main()
    marketing.main()
    assert list((folder / "applications/marketing").iterdir()) == []
