"""Cards: format, and paired gains."""

import numpy as np
import yaml

from components.release.card import Card, gains_over, split_card

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
