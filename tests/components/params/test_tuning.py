"""Section tune: each model has something to search, in a range."""

from collections.abc import Callable

import pytest

from components.params import SearchRange, TuneParams


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("tune.trials=0", "tune.trials"),
        ("tune.models=[hybrid]", "tune.models"),
        ("tune.models=[ease, ease]", "each once"),
        ("tune.label_shares=[0, 1]", "tune.label_shares"),
        ("tune.space={models.als.alpha: {low: 1, high: 2}}", "needs a range for ['ease', 'sequence']"),
    ],
)
def test_a_wrong_value_is_refused_by_name(refusal: Callable[[str], str], override: str, named: str) -> None:
    assert named in refusal(override)


def test_parameters_of_the_trainer_belong_to_the_sequence_model() -> None:
    tune = TuneParams(models=["ease", "sequence"], trials=1, max_minutes=1)
    assert list(tune.of("ease")) == ["models.ease.l2", "models.ease.recency"]
    assert "trainer.learning_rate" in tune.of("sequence")
    assert tune.of("als")["models.als.factors"] == SearchRange(low=16, high=128, log=True)
