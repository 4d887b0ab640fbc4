"""The record where nothing can be published."""

from components.applications.ads.record import make_record


def test_nothing_is_published_with_its_reason() -> None:
    record = make_record(None, "2026-01-01", True, {"read": 0}, "no ads")
    assert (record.ships, record.reasons, record.metrics) == ("nothing", ["no ads"], {})
