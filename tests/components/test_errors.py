"""Every error that a user can act on is a CarouselError."""

import inspect

from components import errors


def test_all_are_carousel_errors_with_a_docstring() -> None:
    found = [e for _, e in inspect.getmembers(errors, inspect.isclass)]
    assert len(found) >= 7
    assert all(issubclass(e, errors.CarouselError) and e.__doc__ for e in found)
