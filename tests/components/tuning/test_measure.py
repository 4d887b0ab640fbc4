"""A trial reads train and validation; it does not need the test window."""

from pathlib import Path

import numpy as np

from components.params import Params
from components.tuning.measure import digest, measure, read_tuning_data
from tests.components.evaluation.support import edit


def test_one_value_per_validation_user(made: Path, params: Params) -> None:
    world = read_tuning_data(made, params)
    values = measure(world, "popularity", params)
    assert values.shape == (len(world.eval_users),) == (59,)  # user 1 is new in the test window
    assert np.isfinite(values).all()
    assert measure(world, "content", params).mean() > 2 * values.mean()  # texts contain the colours


def test_the_test_window_is_not_read(root: Path, params: Params) -> None:
    before, values = digest(root), measure(read_tuning_data(root, params), "ease", params)
    root = root.rename(root.with_name("another"))  # another folder, so that nothing is cached
    (root / "data/split/test.parquet").unlink()
    assert digest(root) == before
    np.testing.assert_array_equal(measure(read_tuning_data(root, params), "ease", params), values)


def test_changed_training_data_are_read_again(root: Path, params: Params) -> None:
    before, world = digest(root), read_tuning_data(root, params)
    edit(root / "data/split", "train", lambda columns: {k: v[:200] for k, v in columns.items()})
    assert digest(root) != before
    assert len(read_tuning_data(root, params).interactions) == 200 < len(world.interactions)


def test_after_epoch_is_called_on_one_device(made: Path, params: Params) -> None:
    told: list[float] = []
    own = params.model_copy(update={"trainer": params.trainer.model_copy(update={"max_epochs": 2, "devices": 2})})
    measure(read_tuning_data(made, own), "sequence", own, after_epoch=told.append)
    assert len(told) == 2
