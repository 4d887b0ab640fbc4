"""The card of an application says what ships and why, with the numbers and limits of its record."""

from typing import Any

import pytest

from components.applications.card import application_card
from components.applications.record import ApplicationRecord
from components.release.card import split_card


def record(**changes: Any) -> ApplicationRecord:
    content: dict[str, Any] = {
        "application": "inventory",
        "as_of": "2026-03-01T00:00:00+00:00",
        "simulated": False,
        "ships": "model",
        "reasons": [{"key": "other", "text": "its loss is 12 % lower"}],
        "metrics": {"loss": 0.25, "coverage": 0.9},
        "limits": ("no year of history",),
        "counts": {"products": 7},
    }
    return ApplicationRecord(**(content | changes))


def test_numbers_reasons_and_limits_are_on_the_card() -> None:
    metadata, body = split_card(application_card(record()).to_text())
    assert "On data up to 2026-03-01. The model ships" in body
    assert "- its loss is 12 % lower" in body
    assert "| loss | 0.25 |" in body
    assert "| products | 7 |" in body
    assert body.rstrip().endswith("- no year of history")
    values = {m["name"]: m["value"] for m in metadata["model-index"][0]["results"][0]["metrics"]}
    assert values == {"coverage": 0.9, "loss": 0.25}


@pytest.mark.parametrize(("ships", "text"), [("baseline", "The baseline ships"), ("nothing", "Nothing ships")])
def test_what_ships_is_said(ships: str, text: str) -> None:
    assert text in application_card(record(ships=ships)).to_text()


def test_simulated_events_are_a_limit_and_empty_counts_no_table() -> None:
    body = split_card(application_card(record(simulated=True, counts={})).to_text())[1]
    assert "- The events are simulated." in body
    assert "| what | count |" not in body
