"""A section is frozen, refuses unknown names, and checks its defaults like values."""

import pytest
from pydantic import Field, ValidationError

from components.params import Positive, Section


class Sample(Section):
    """A section with a default that is an int where a float is meant."""

    minutes: Positive = Field(default=10, description="minutes")


def test_a_default_has_the_type_of_its_field() -> None:
    assert isinstance(Sample().minutes, float)


def test_a_section_is_frozen_and_refuses_unknown_names() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Sample().minutes = 2  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Sample.model_validate({"hours": 1})


def test_a_saved_section_holds_every_value() -> None:
    assert Sample.from_saved({"minutes": 3}) == Sample(minutes=3)
    with pytest.raises(ValueError, match=r"no value for \['minutes'\]"):
        Sample.from_saved({})
    with pytest.raises(ValueError, match="Sample"):
        Sample.from_saved(None)
