"""The record where nothing can be published."""

from components.applications.ads.record import make_record
from components.applications.reasons import give_reason


def test_nothing_is_published_with_its_reason() -> None:
    record = make_record(None, "2026-01-01", True, {"read": 0}, give_reason("ads_no_row"))
    assert (record.ships, record.reasons, record.metrics) == ("nothing", [give_reason("ads_no_row")], {})
