"""The parameters that a search changes."""

import pytest

from components.errors import ParamsError
from components.params import Params
from components.tuning import space


def test_current_values_are_those_of_the_parameters(params: Params) -> None:
    assert space.current_values(params, "ease") == {"models.ease.l2": 100000, "models.ease.max_items": 15000}
    assert space.current_values(params, "sequence") == {"trainer.learning_rate": 0.001}
    assert space.current_values(params, "content") == {}


def test_other_values_change_nothing_else(params: Params) -> None:
    changed = space.with_values(params, {"models.ease.l2": 3.0, "trainer.max_epochs": 2})
    assert (changed.models.ease.l2, changed.trainer.max_epochs) == (3.0, 2)
    back = {"models.ease.l2": 100000.0, "trainer.max_epochs": params.trainer.max_epochs}
    assert space.with_values(changed, back) == params
    assert params.models.ease.l2 == 100000  # frozen


def test_contradictory_values_are_named(params: Params) -> None:
    with pytest.raises(ParamsError, match=r"(?s)a trial with .*models\.sequence\.dim.*not a multiple of heads"):
        space.with_values(params, {"models.sequence.dim": 17})


def test_flat_is_the_inverse_of_nested() -> None:
    values = {"models.ease.l2": 3.0, "models.als.factors": 16, "trainer.learning_rate": 0.01}
    tree = space.nested(values)
    assert tree == {"models": {"als": {"factors": 16}, "ease": {"l2": 3.0}}, "trainer": {"learning_rate": 0.01}}
    assert space.flat(tree) == values
    assert space.format_values(values) == "models.ease.l2 3, models.als.factors 16, trainer.learning_rate 0.01"
