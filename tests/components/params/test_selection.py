"""What a retrain selected is read as it was written, and nothing else."""

from typing import Any

import pytest
from pydantic import ValidationError

from components.params.selection import SelectionParams

VALUES: dict[str, Any] = {
    "recommender": "hybrid",
    "best_simple": "ease",
    "language": "0" * 64,
    "sequence_epochs": 3,
    "ranker_epochs": None,
    "blend": {
        "parts": ["als", "ease"],
        "weights": {"cold": {"als": 0.3, "ease": 0.7}, "warm": {"als": 1.0, "ease": 0.0}},
        "cold_item_blend_weight": 0.5,
    },
    "selected_until": "2026-03-01T00:00:00+00:00",
}


def test_a_selection_is_read_as_it_was_written() -> None:
    found = SelectionParams.model_validate(VALUES)
    assert SelectionParams.model_validate(found.model_dump(mode="json")) == found
    assert found.blend is not None
    assert found.blend.weights["cold"] == {"als": 0.3, "ease": 0.7}
    assert SelectionParams.model_validate(VALUES | {"blend": None}).blend is None


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"sequence_epochs": 0}, "sequence_epochs"),
        ({"selected_until": "2026-03-01T00:00:00"}, "selected_until"),  # without a time zone
        ({"blend": VALUES["blend"] | {"weights": {"cold": {"als": 1.2}}}}, "blend.weights.cold.als"),
        ({"blend": VALUES["blend"] | {"weights": {"lukewarm": {"als": 1.0}}}}, "blend.weights.lukewarm"),
        ({"blend": VALUES["blend"] | {"cold_item_blend_weight": 1.5}}, "blend.cold_item_blend_weight"),
        ({"trained_on": "tuesday"}, "trained_on"),
        ({"recommender": ""}, "recommender"),
    ],
)
def test_a_wrong_value_is_refused_by_name(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as error:
        SelectionParams.model_validate(VALUES | changes)
    assert ".".join(map(str, error.value.errors()[0]["loc"])).startswith(where)
