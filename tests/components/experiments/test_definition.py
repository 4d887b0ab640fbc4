"""Assignment is stable and uniform, other salts draw other users; files of experiments appear whole."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.errors import ContractError
from components.experiments.definition import Experiment, end_experiment, hash_to_unit, read_running, start_experiment
from components.io import write_record


@given(st.text(max_size=30), st.text(max_size=10))
@settings(deadline=None)
def test_the_hash_is_stable_and_in_range(unit: str, salt: str) -> None:
    assert hash_to_unit(unit, salt) == hash_to_unit(unit, salt)
    assert 0 <= hash_to_unit(unit, salt) < 1


def test_the_hash_is_uniform_and_salts_are_independent() -> None:
    one, other = (np.array([hash_to_unit(f"user-{n}", salt) for n in range(5000)]) for salt in "ab")
    assert np.abs(np.histogram(one, 10, (0, 1))[0] / 500 - 1).max() < 0.2
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_known_hashes_do_not_change() -> None:
    """Users must not change arms when the code changes."""
    assert hash_to_unit("ann", "s") == pytest.approx(0.7583, abs=1e-4)
    assert hash_to_unit("用户", "s") == pytest.approx(0.5496, abs=1e-4)


def test_shares_and_anonymous_users(experiment: Experiment) -> None:
    third = experiment.model_copy(update={"arms": [a.model_copy(update={"share": 0.1}) for a in experiment.arms]})
    arms = [arm.name if (arm := third.assign(f"u{n}")) else "" for n in range(5000)]
    assert 400 < arms.count("control") < 600
    assert 400 < arms.count("new") < 600
    assert experiment.assign(None) is None
    assert all(experiment.assign(f"u{n}") is not None for n in range(100))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../x"},
        {"arms": []},
        {"arms": [{"name": "a", "role": "champion", "share": 0.9}, {"name": "b", "role": "challenger", "share": 0.9}]},
        {"arms": [{"name": "a", "role": "champion", "share": 0.5}, {"name": "a", "role": "challenger", "share": 0.5}]},
        {"arms": [{"name": "a", "role": "champion", "share": 0}, {"name": "b", "role": "challenger", "share": 0.5}]},
        {"alpha": 0},
        {"metric": "joy"},
    ],
)
def test_an_invalid_definition_is_refused(experiment: Experiment, change: dict) -> None:
    with pytest.raises(ValidationError):
        Experiment.model_validate(experiment.model_dump() | change)


def test_only_one_experiment_runs_and_names_are_unique(experiment: Experiment, tmp_path: Path) -> None:
    assert read_running(tmp_path) is None
    start_experiment(tmp_path, experiment)
    assert read_running(tmp_path) == experiment
    with pytest.raises(ContractError, match="runs"):
        start_experiment(tmp_path, experiment.model_copy(update={"name": "summer"}))
    end_experiment(tmp_path, experiment)
    assert read_running(tmp_path) is None
    with pytest.raises(ContractError, match="choose another"):
        start_experiment(tmp_path, experiment)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text("{")
    with pytest.raises(ContractError, match=r"running\.json"):
        read_running(tmp_path)


def test_the_definition_of_version_0_1_is_read_under_present_names(experiment: Experiment, tmp_path: Path) -> None:
    old = json.loads(experiment.model_dump_json())
    old["tightest_at"] = old.pop("target_users")
    (tmp_path / "running.json").write_text(json.dumps(old))
    assert read_running(tmp_path) == experiment


def test_many_writers_and_readers_at_once_see_whole_files(experiment: Experiment, tmp_path: Path) -> None:
    """Workers of one machine share the folder: no temporary file may be common to two of them."""
    versions = [experiment.model_copy(update={"salt": "s" * n}) for n in range(1, 400, 40)]
    running = tmp_path / "running.json"
    write_record(running, versions[0])
    barrier = Barrier(4)

    def work(n: int) -> list[Experiment | None]:
        barrier.wait()
        seen = []
        for round_ in range(50):
            write_record(running, versions[(n + round_) % len(versions)])
            seen.append(read_running(tmp_path))
        return seen

    with ThreadPoolExecutor(4) as pool:
        seen = [found for done in pool.map(work, range(4)) for found in done]
    assert len(seen) == 200
    assert all(found in versions for found in seen)
    assert [path.name for path in tmp_path.iterdir()] == ["running.json"]
