"""Errors of the domain: each is one of Carousel's, with a text for the caller."""

import pytest

from components.errors import CarouselError
from components.serving.inference.errors import MissingPartError, NoModelError, OverloadError, UnknownItemError


@pytest.mark.parametrize("error", [OverloadError(), NoModelError(), UnknownItemError(), MissingPartError("no ranker")])
def test_each_error_is_a_carousel_error_with_a_text(error: Exception) -> None:
    assert isinstance(error, CarouselError)
    assert str(error)
