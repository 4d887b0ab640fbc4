"""Quotas of a request: bounds in order, one for each kind, no more items than the list has."""

import pytest
from pydantic import ValidationError

from components.serving.quota import Quota, check_quotas


def test_bounds_are_in_order() -> None:
    assert Quota(kind="article").at_most is None
    with pytest.raises(ValidationError, match="at_most >= at_least, got 1 < 2"):
        Quota(kind="article", at_least=2, at_most=1)
    with pytest.raises(ValidationError):
        Quota(kind="article", at_least=-1)


def test_quotas_fit_into_the_list() -> None:
    two = [Quota(kind="article", at_least=2), Quota(kind="video", at_least=3)]
    check_quotas(two, 5)
    with pytest.raises(ValueError, match="5 items or more, and the list has k = 4"):
        check_quotas(two, 4)
    with pytest.raises(ValueError, match="one quota for each kind"):
        check_quotas([*two, Quota(kind="video")], 9)
