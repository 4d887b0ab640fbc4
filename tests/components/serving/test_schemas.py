"""Validation of requests."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.serving.schemas import EventIn, RecommendRequest, SimilarRequest

TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(st.lists(TIMES, max_size=5), st.integers(1, 10**6))
def test_a_request_survives_its_own_json(times: list[datetime], k: int) -> None:
    request = RecommendRequest.model_validate({"history": [{"item_id": "a", "timestamp": t} for t in times], "k": k})
    assert RecommendRequest.model_validate_json(request.model_dump_json()) == request


def test_any_time_zone_is_accepted_and_none_is_refused() -> None:
    east = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    request = RecommendRequest.model_validate({"history": [{"item_id": "a", "timestamp": east.isoformat()}]})
    assert request.history[0].timestamp == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValidationError, match="timezone"):
        RecommendRequest.model_validate({"history": [{"item_id": "a", "timestamp": "2026-01-01T00:00:00"}]})


def test_a_history_of_which_only_some_events_have_a_time_is_refused() -> None:
    mixed = [{"item_id": "a", "timestamp": "2026-01-01T00:00:00Z"}, {"item_id": "b"}]
    with pytest.raises(ValidationError, match="either all events"):
        RecommendRequest.model_validate({"history": mixed})


@pytest.mark.parametrize("body", [{}, {"item_id": ""}, {"item_id": "x" * 257}, {"item_id": "a", "K": 1}])
def test_similar_needs_one_product(body: dict) -> None:
    with pytest.raises(ValidationError):
        SimilarRequest.model_validate(body)


def test_a_context_field_that_nothing_uses_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"context\.placement"):
        RecommendRequest.model_validate({"user_id": "u", "context": {"placement": "home"}})


def test_an_id_is_cleaned_as_ingest_cleans_it() -> None:
    request = RecommendRequest.model_validate(
        {"user_id": "\u00a0user001@example.com ", "exclude": ["P1\n", "17850.0"], "context": {"item_id": " "}}
    )
    assert (request.user_id, request.exclude) == ("user001@example.com", ["P1", "17850"])
    assert request.context.item_id is None


@pytest.mark.parametrize("word", ["NULL", "undefined", "  ", "\\N"])
def test_a_word_for_no_value_is_no_user_but_never_a_product(word: str) -> None:
    assert RecommendRequest.model_validate({"user_id": word}).user_id is None
    with pytest.raises(ValidationError, match="stands for no value"):
        SimilarRequest.model_validate({"item_id": word})


@pytest.mark.parametrize("text", ["a\u200bb", "4.00638E+12", "a\tb", "A&amp;B", "x" * 257])
def test_an_id_that_ingest_would_quarantine_is_refused(text: str) -> None:
    event = {"user_id": "u", "item_id": "i", "event": "view"}
    for column in ("user_id", "item_id", "session_id"):
        with pytest.raises(ValidationError, match="not an id") as error:
            EventIn.model_validate({**event, column: text})
        assert text not in error.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "text",
    ["2026-01-02 10:15:27 -0500", "2026-01-02T10:15:27-05:00", "2026-01-02T15:15:27Z", "2026-01-02 10:15:27 -05:00"],
)
def test_times_of_shop_platforms_are_read(text: str) -> None:
    event = EventIn.model_validate({"user_id": "u", "item_id": "i", "event": "view", "timestamp": text})
    assert event.timestamp == datetime(2026, 1, 2, 15, 15, 27, tzinfo=UTC)
