import pytest
from pydantic import ValidationError

from components.params import FederatedParams


def test_a_seed_needs_more_than_half_of_the_members_and_a_sum_two_clients() -> None:
    assert FederatedParams(threshold=0.51, min_clients=2).local_parts == []
    for wrong in ({"threshold": 0.5}, {"min_clients": 1}, {"local_parts": ["everything"]}, {"clip_norm": 0}):
        with pytest.raises(ValidationError):
            FederatedParams.model_validate(wrong)
