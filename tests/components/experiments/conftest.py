"""When the experiment of tests/conftest.py began."""

from datetime import UTC, datetime

START = datetime(2026, 3, 1, tzinfo=UTC)
