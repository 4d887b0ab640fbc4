"""Points in time: int64 microseconds since 1970 (UTC) in tables and arrays, aware datetimes and ISO text elsewhere."""

import time
from datetime import UTC, datetime, timedelta

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
HOUR_S = 3_600
DAY_S = 24 * HOUR_S

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FIRST_TIME = datetime(1990, 1, 1, tzinfo=UTC)  # earlier events come from a wrong clock


def to_micros(at: datetime) -> int:
    """Return the microseconds since 1970 of a datetime with a time zone."""
    return (at - EPOCH) // timedelta(microseconds=1)


def to_datetime(micros: int) -> datetime:
    """Return the datetime (UTC) of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


def to_iso(micros: int) -> str:
    """Return the ISO date-time (UTC) of microseconds since 1970."""
    return to_datetime(micros).isoformat()


def to_naive_utc(at: datetime) -> datetime:
    """Return the datetime in UTC without its time zone: what a timestamp column of the snapshot compares with."""
    return at.astimezone(UTC).replace(tzinfo=None)


def with_zone(at: datetime) -> datetime:
    """Return the datetime, in UTC where it has no time zone."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def now_micros() -> int:
    """Return the current time in microseconds since 1970."""
    return time.time_ns() // 1000
