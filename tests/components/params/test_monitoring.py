"""The limits of the data checks: sound defaults, and no factor that refuses every value."""

import pytest
from pydantic import ValidationError

from components.params import DataChecksParams


def test_every_limit_has_a_description_and_a_default() -> None:
    assert all(field.description for field in DataChecksParams.model_fields.values())
    assert DataChecksParams().weeks == 8


@pytest.mark.parametrize("bad", [{"max_volume_factor": 1.0}, {"weeks": 1}, {"max_new_share": 1.2}, {"nosuch": 1}])
def test_bad_limits_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        DataChecksParams.model_validate(bad)
