"""Cards: format, and paired gains."""

import numpy as np
import yaml

from components.release.card import Card, CardNumbers, bundle_card, gains_over, split_card
from tests.components.release.support import INFO, evaluation_of

PRIMARY = "ndcg_at_10"


def test_a_card_has_a_header_and_sections() -> None:
    card = Card("Name", "What it is.", [("Data", "many"), ("Empty", "")], ["en"], ["x"], {PRIMARY: 0.25})
    text = card.to_text()
    assert text == card.to_text()
    metadata, body = split_card(text)
    assert yaml.safe_load(text.split("---\n")[1]) == metadata
    assert (metadata["language"], metadata["license"], metadata["library_name"]) == (["en"], "apache-2.0", "carousel")
    assert metadata["model-index"][0]["results"][0]["metrics"] == [{"type": PRIMARY, "value": 0.25, "name": PRIMARY}]
    assert body == "# Name\n\nWhat it is.\n\n## Data\n\nmany\n"


def test_gains_are_paired() -> None:
    values = {"a": np.array([0.5, 0.7]), "b": np.array([0.2, 0.4])}
    gains = gains_over(values, "a", ["b", "missing"], seed=1)
    assert {name: round(gain.gain, 6) for name, gain in gains.items()} == {"b": 0.3}


def test_the_summary_says_where_lists_before_each_event_decided() -> None:
    window = ("2026-02-15T00:00:00+00:00", "2026-03-01T00:00:00+00:00")
    frozen = evaluation_of(None).model_copy(update={"window": window, "slices": []})
    anew = frozen.model_copy(update={"question": "next_event"})
    one, other = (
        bundle_card(CardNumbers(e, INFO, recipe="r", code="c", gains={}, languages={}, textless=0, counts={}))
        for e in (frozen, anew)
    )
    assert "is 0.2500 over 500 users." in one.summary
    assert other.summary == one.summary.replace("500 users", "500 users, by lists made anew before each event")
