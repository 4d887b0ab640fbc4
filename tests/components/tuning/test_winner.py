"""The winner of a search: the best trial, if its gain is significant for so many trials."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from components.params import Params
from components.tuning.search import Trial
from components.tuning.winner import judge

USERS = 400
NOISE = np.random.default_rng(0).normal(0, 0.1, USERS)
NOISE -= NOISE.mean()


def write(folder: Path, gains: list[float | None]) -> None:
    """Write a trial for each gain over 0.3 (the current parameters have none); None: a trial pruned."""
    (folder / "ease").mkdir(parents=True)
    for number, gain in enumerate(gains):
        values = (0.3 + (NOISE * (number > 0) + gain if gain is not None else 0)) * np.ones(USERS, np.float32)
        trial = Trial(
            model="ease",
            number=number,
            values={"models.ease.l2": 100.0 + number},
            state="pruned" if gain is None else "complete",
            value=None if gain is None else float(values.mean()),
            epochs=[],
            seconds=1,
            why="",
        )
        (folder / f"ease/{number:03d}.json").write_text(trial.model_dump_json())
        save_file({"value": values.astype(np.float32)}, folder / f"ease/{number:03d}.safetensors")


def test_a_clear_gain_wins(params: Params, tmp_path: Path) -> None:
    write(tmp_path, [0.0, 0.01, 0.05, None])
    found = judge(tmp_path, "ease", params)
    assert (found.wins, found.number, found.n_trials, found.n_pruned, found.n_failed) == (True, 2, 3, 1, 0)
    assert (found.before, found.values) == ({"models.ease.l2": 100.0}, {"models.ease.l2": 102.0})
    assert found.gain is not None
    assert found.gain.low > 0
    assert found.changes() == "models.ease.l2 100 -> 102"
    assert found.story("ndcg_at_5", "abc").startswith("MLflow run abc; models.ease.l2 100 -> 102; ndcg_at_5 on valid")


def test_a_gain_within_chance_does_not_win(params: Params, tmp_path: Path) -> None:
    write(tmp_path, [0.0, 0.002])
    found = judge(tmp_path, "ease", params)
    assert (found.wins, found.number) == (False, 1)
    assert found.gain is not None
    assert found.gain.low < 0 < found.gain.high


def test_the_best_of_many_must_gain_more_than_the_best_of_one(params: Params, tmp_path: Path) -> None:
    gain = 0.0125  # 2.5 standard errors
    write(tmp_path / "one", [0.0, gain])
    write(tmp_path / "many", [0.0, gain, *[-0.1] * 40])
    one, many = (judge(tmp_path / name, "ease", params) for name in ("one", "many"))
    assert one.wins
    assert not many.wins
    assert many.number == 1


def test_current_parameters_that_are_the_best_are_kept(params: Params, tmp_path: Path) -> None:
    write(tmp_path, [0.0, -0.1])
    found = judge(tmp_path, "ease", params)
    assert (found.wins, found.number, found.gain, found.changes()) == (False, 0, None, "")
