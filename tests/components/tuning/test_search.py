"""Same seed, same trials: without interruption, after a kill, and with any test window."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.errors import ContractError
from components.params import Params
from components.tuning.search import Trial, format_trial, key_of, read_trials, read_values, run_trial
from tests.components.evaluation.support import edit

Make = Callable[..., Params]


def search(root: Path, folder: Path, params: Params, model: str = "ease", upto: int = 5) -> list[Trial]:
    """Run the trials 0 to `upto` - 1; their time is left out of the comparison."""
    trials = [run_trial(root, folder, params, model, number) for number in range(upto)]
    assert trials == read_trials(folder, model)
    return [trial.model_copy(update={"seconds": 0}) for trial in trials]


@pytest.fixture
def once(made: Path, params: Params, tmp_path: Path) -> list[Trial]:
    return search(made, tmp_path / "once", params)


def test_the_current_parameters_come_first_then_values_within_their_ranges(once: list[Trial], params: Params) -> None:
    assert [trial.number for trial in once] == [0, 1, 2, 3, 4]
    assert once[0].values == {"models.ease.l2": 100000.0, "models.ease.max_items": 15000}
    for trial in once[1:]:
        assert 1 <= trial.values["models.ease.l2"] <= 1_000_000
        assert isinstance(trial.values["models.ease.max_items"], int)
        assert trial.state == "complete"
    assert len({trial.values["models.ease.l2"] for trial in once}) == 5


def test_a_trials_value_is_the_mean_of_its_users(made: Path, params: Params, tmp_path: Path) -> None:
    trial = run_trial(made, tmp_path, params, "ease", 0)
    values = read_values(tmp_path, trial)
    assert values.shape == (59,)
    assert trial.value == pytest.approx(float(values.mean(dtype=np.float64)))
    assert format_trial(trial, "ndcg_at_5").startswith(
        f"ease, current parameters: ndcg_at_5 {trial.value:.4f} with models.ease.l2"
    )


def test_a_killed_search_resumes_to_the_same_result(
    once: list[Trial], made: Path, params: Params, tmp_path: Path
) -> None:
    search(made, tmp_path / "killed", params, upto=3)
    (tmp_path / "killed/ease/002.json").unlink()  # killed before its last write
    assert search(made, tmp_path / "killed", params) == once


def test_a_stored_trial_is_not_measured_again(root: Path, params: Params, tmp_path: Path) -> None:
    first = run_trial(root, tmp_path, params, "ease", 0)
    assert run_trial(root, tmp_path, params, "ease", 0) == first  # its seconds, too


def test_another_test_window_changes_nothing(once: list[Trial], root: Path, params: Params, tmp_path: Path) -> None:
    edit(root / "data/split", "test", lambda c: {**c, "item_idx": np.roll(c["item_idx"], 7)})
    assert search(root, tmp_path / "other", params) == once
    (root / "data/split/test.parquet").write_bytes(b"no table")
    assert search(root, tmp_path / "broken", params) == once


def test_another_validation_window_changes_the_values(
    once: list[Trial], root: Path, params: Params, tmp_path: Path
) -> None:
    edit(root / "data/split", "validation", lambda c: {**c, "item_idx": np.roll(c["item_idx"], 7)})
    assert search(root, tmp_path / "other", params)[0].value != once[0].value


def test_another_seed_draws_other_values(once: list[Trial], made: Path, params_of: Make, tmp_path: Path) -> None:
    other = search(made, tmp_path / "other", params_of("seed=7"))
    assert [t.values for t in other[1:]] != [t.values for t in once[1:]]


def test_another_search_removes_the_old_trials(made: Path, params: Params, params_of: Make, tmp_path: Path) -> None:
    search(made, tmp_path, params, upto=2)
    (trial,) = search(made, tmp_path, params_of("models.ease.l2=7"), upto=1)
    assert trial.values["models.ease.l2"] == 7
    assert len(read_trials(tmp_path, "ease")) == 1


def test_the_key_does_not_depend_on_the_number_of_trials(made: Path, params: Params, params_of: Make) -> None:
    key = key_of(made, params, "ease")
    assert key == key_of(made, params_of("tune.trials=50", "trainer.learning_rate=0.5"), "ease")
    assert key != key_of(made, params_of("recommend.exclude_seen=false"), "ease")


def test_a_training_below_the_median_is_pruned(made: Path, params_of: Make, tmp_path: Path) -> None:
    own = params_of("trainer.learning_rate=0.02", "tune.startup_trials=1")
    trials = search(made, tmp_path, own, "sequence", upto=4)
    assert len(trials[0].epochs) == 3  # tune.max_epochs
    short = [trial for trial in trials if trial.state == "pruned"]
    assert short
    assert all(trial.value is None and len(trial.epochs) < 3 for trial in short)
    for trial in short:
        others = [t.epochs[len(trial.epochs) - 1] for t in trials[: trial.number] if t.state == "complete"]
        assert max(trial.epochs) < np.median(others)


def test_invalid_values_fail_only_their_trial(made: Path, params_of: Make, tmp_path: Path) -> None:
    own = params_of("tune.space={models.ease.l2: {low: 1, high: 9}, models.sequence.dim: {low: 16, high: 18}}")
    trials = search(made, tmp_path, own, "sequence", upto=6)
    failed = [trial for trial in trials if trial.state == "failed"]
    assert {trial.values["models.sequence.dim"] for trial in failed} == {17}
    assert all("not a multiple of heads" in trial.why for trial in failed)


def test_current_parameters_that_fail_raise_the_error(root: Path, params: Params, tmp_path: Path) -> None:
    edit(root / "data/split", "train", lambda columns: {k: v[:1] for k, v in columns.items()})  # one anonymous view
    with pytest.raises(ContractError, match="no known user"):
        run_trial(root, tmp_path, params, "sequence", 0)
    assert not read_trials(tmp_path, "sequence")
