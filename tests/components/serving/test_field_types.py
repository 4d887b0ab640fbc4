"""Times and ids of requests."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from components.serving.field_types import EventTime, Id, OptionalId, Timestamp


@pytest.mark.parametrize(
    "text",
    ["2026-01-02 10:15:27 -0500", "2026-01-02T10:15:27-05:00", "2026-01-02 20:45:27 +05:30", "2026-01-02T15:15:27Z"],
)
@pytest.mark.parametrize("kind", [Timestamp, EventTime])
def test_a_blank_may_stand_before_the_offset(kind: object, text: str) -> None:
    assert TypeAdapter(kind).validate_python(text) == datetime(2026, 1, 2, 15, 15, 27, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-01-02 10:15:27", "2026-01-02 10:15:27 EST", "2026-01-02 10:15:27 - 0500"])
def test_a_time_without_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(EventTime).validate_python(text)


def test_an_id_is_required_and_an_optional_one_is_null() -> None:
    assert TypeAdapter(OptionalId).validate_python(" nan ") is None
    assert TypeAdapter(OptionalId).validate_python(None) is None
    with pytest.raises(ValidationError, match="stands for no value"):
        TypeAdapter(Id).validate_python(" nan ")
