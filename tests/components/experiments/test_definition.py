"""In which arm a user is: always the same, evenly, and other users with another salt."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.errors import ContractError
from components.experiments.definition import Experiment, begin, end, lost, place_of, read


@given(st.text(max_size=30), st.text(max_size=10))
def test_a_place_is_stable_and_in_range(unit: str, salt: str) -> None:
    assert place_of(unit, salt) == place_of(unit, salt)
    assert 0 <= place_of(unit, salt) < 1


def test_places_are_even_and_salts_are_independent() -> None:
    one, other = (np.array([place_of(f"user-{n}", salt) for n in range(5000)]) for salt in "ab")
    assert np.abs(np.histogram(one, 10, (0, 1))[0] / 500 - 1).max() < 0.2
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_known_places_do_not_move() -> None:
    """Users must not change arms because the code did."""
    assert place_of("ann", "s") == pytest.approx(0.7583, abs=1e-4)
    assert place_of("用户", "s") == pytest.approx(0.5496, abs=1e-4)


def test_shares_and_strangers(experiment: Experiment) -> None:
    third = experiment.model_copy(update={"arms": [a.model_copy(update={"share": 0.1}) for a in experiment.arms]})
    arms = [arm.name if (arm := third.arm_of(f"u{n}")) else "" for n in range(5000)]
    assert 400 < arms.count("control") < 600
    assert 400 < arms.count("new") < 600
    assert experiment.arm_of(None) is None
    assert all(experiment.arm_of(f"u{n}") is not None for n in range(100))


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
def test_what_is_no_experiment(experiment: Experiment, change: dict) -> None:
    with pytest.raises(ValidationError):
        Experiment.model_validate(experiment.model_dump() | change)


def test_one_runs_at_a_time_and_a_name_is_used_once(experiment: Experiment, tmp_path: Path) -> None:
    assert read(tmp_path) is None
    begin(tmp_path, experiment)
    assert read(tmp_path) == experiment
    with pytest.raises(ContractError, match="runs"):
        begin(tmp_path, experiment.model_copy(update={"name": "summer"}))
    end(tmp_path, experiment)
    assert read(tmp_path) is None
    with pytest.raises(ContractError, match="choose another"):
        begin(tmp_path, experiment)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text("{")
    with pytest.raises(ContractError, match=r"running\.json"):
        read(tmp_path)


def test_which_bundle_lost(tmp_path: Path) -> None:
    (tmp_path / "a.decision.json").write_text(
        '{"experiment": "a", "verdict": "worse", "arms": [{"bundle": "x"}, {"bundle": "y"}]}'
    )
    (tmp_path / "b.decision.json").write_text(
        '{"experiment": "b", "verdict": "better", "arms": [{"bundle": "x"}, {"bundle": "z"}]}'
    )
    assert lost(tmp_path, "y") == "a"
    assert lost(tmp_path, "x") is None
    assert lost(tmp_path, "z") is None
    assert lost(tmp_path / "nowhere", "y") is None
