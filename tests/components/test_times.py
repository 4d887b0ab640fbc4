"""Microseconds, datetimes and ISO text of the same point in time."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from components.times import DAY_US, HOUR_US, now_micros, to_datetime, to_iso, to_micros, to_naive_utc

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AWARE = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=OFFSETS)


@given(AWARE)
def test_a_datetime_is_unchanged_by_conversion_to_microseconds_and_back(at: datetime) -> None:
    assert to_datetime(to_micros(at)) == at
    assert to_datetime(to_micros(at)).tzinfo is UTC


def test_hours_and_days_are_counted_in_microseconds() -> None:
    assert to_micros(datetime(1970, 1, 2, 1, tzinfo=UTC)) == DAY_US + HOUR_US


def test_iso_text_has_microseconds_and_the_zone() -> None:
    assert to_iso(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001+00:00"


def test_a_naive_time_is_the_same_instant_in_utc() -> None:
    east = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    assert to_naive_utc(east) == datetime(2026, 1, 1)


def test_now_is_between_two_readings_of_the_clock() -> None:
    before = datetime.now(UTC)
    assert to_micros(before) <= now_micros() <= to_micros(datetime.now(UTC))
