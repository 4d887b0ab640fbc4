"""A training run: it resumes from its checkpoint, ends in the same weights, and raises when interrupted."""

import logging
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from components.errors import ContractError
from components.params import Params, TrainerParams
from components.recommenders.sequence.checkpoint import read_best, read_progress
from components.recommenders.sequence.ensemble import Ensemble
from components.recommenders.sequence.training import TrainingLoop, train
from tests.components.recommenders.sequence.training_case import Case, Stop, World, stop_at


@pytest.fixture
def knobs(params: Params) -> TrainerParams:
    return params.trainer.model_copy(update={"max_epochs": 3, "patience": 3, "checkpoint_every_steps": 2})


@pytest.fixture
def case(world: World, params: Params, knobs: TrainerParams, tmp_path: Path) -> Case:
    return Case(world, params, knobs, tmp_path / "run")


@pytest.fixture
def twin(world: World, params: Params, knobs: TrainerParams, tmp_path: Path) -> Case:
    return Case(world, params, knobs, tmp_path / "twin")


def test_loss_falls_and_curves_have_a_value_an_epoch(case: Case) -> None:
    curves = case.train()
    assert curves["validation/ndcg_at_10"] == [0.01, 0.02, 0.03]
    assert len(curves["train/loss"]) == 3
    assert curves["train/loss"][-1] < curves["train/loss"][0]


@pytest.mark.parametrize("step", [1, 3, 4, 6, 8])
def test_an_interrupted_run_ends_in_the_weights_of_an_uninterrupted_one(
    case: Case, twin: Case, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three steps per epoch, a checkpoint every two: stopped before the first, within an epoch, right after one."""
    straight = case.train()
    with monkeypatch.context() as patch:
        stop_at(twin, step, patch)
        with pytest.raises(Stop):
            twin.train()
    torch.manual_seed(99)
    for weight in twin.net.parameters():
        torch.nn.init.normal_(weight)  # another process starts from scratch
    if step == 1:  # no checkpoint was written yet
        assert read_progress(twin.folder, "k") is None
        return
    twin.seen = (step - 1) // 3
    assert twin.train() == straight
    assert torch.equal(twin.weights(), case.weights())


def test_a_finished_run_is_not_trained_again(case: Case) -> None:
    curves, weights = case.train(), case.weights()
    torch.nn.init.zeros_(case.net.nets[0].items.own.weight)
    assert case.train() == curves
    assert case.seen == 3
    assert torch.equal(case.weights(), weights)


def test_another_key_starts_over(case: Case, twin: Case) -> None:
    case.train(key="old")
    case.net.load_state_dict(twin.net.state_dict())
    case.seen = 0
    case.train(key="new")
    twin.train(key="new")
    assert case.seen == 3
    assert torch.equal(case.weights(), twin.weights())


def test_early_stopping_after_patience_epochs(case: Case) -> None:
    case.knobs = case.knobs.model_copy(update={"max_epochs": 20, "patience": 2})
    values, weights = [0.1, 0.3, 0.3, 0.2], []

    def validate(_: Ensemble) -> float:
        weights.append(case.weights())
        return values[len(weights) - 1]

    assert case.train(validate)["validation/ndcg_at_10"] == values
    assert torch.equal(case.weights(), weights[1])


def test_a_loss_of_nan_stops_the_run(case: Case) -> None:
    torch.nn.init.constant_(case.net.nets[0].items.project.bias, float("nan"))
    with pytest.raises(ContractError, match=r"loss is nan at step 0; lower trainer\.learning_rate"):
        case.train()
    assert not (case.folder / "best.safetensors").exists()


def test_sigterm_is_an_error_and_the_next_run_resumes(case: Case, twin: Case) -> None:
    straight = case.train()
    before, calls = twin.net.loss, []

    def loss(*batch: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return before(*batch)

    handler = signal.getsignal(signal.SIGTERM)
    twin.net.loss = loss  # type: ignore[method-assign]
    try:
        with pytest.raises(ContractError, match="step 4 before it was done; run again to resume"):
            twin.train()
    finally:
        signal.signal(signal.SIGTERM, handler)
    left = read_progress(twin.folder, "k")
    assert left is not None
    assert (left.done, left.step) == (False, 4)
    twin.net.loss = before  # type: ignore[method-assign]
    assert twin.train() == straight
    assert torch.equal(twin.weights(), case.weights())


def test_a_run_that_reaches_max_minutes_goes_on_to_the_same_end(case: Case, twin: Case) -> None:
    straight = case.train()
    twin.knobs = twin.knobs.model_copy(update={"max_minutes": 1e-9})
    stops = []
    for _ in range(100):  # every call stops after one step
        curves, mark = train(twin.net, twin.loader, twin.rising, twin.knobs, 5, twin.folder, "k", None)
        if mark is None:
            break
        stops.append(mark.step)
        left = read_progress(twin.folder, "k")
        assert left is not None
        assert (left.done, left.step) == (False, mark.step)
    last = case.loader.steps(0) * 3
    assert stops == list(range(1, last))
    assert curves == straight
    assert torch.equal(twin.weights(), case.weights())


def test_a_stopped_run_has_the_weights_of_its_best_epoch(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0] * (case.loader.steps(0) + 2) + [1e9] * 100)  # the second epoch is stopped in its second step
    fake = SimpleNamespace(monotonic=lambda: next(clock))  # not the module: other threads ask it, too
    monkeypatch.setattr("components.recommenders.sequence.training.time", fake)
    _, mark = train(case.net, case.loader, case.rising, case.knobs, 5, case.folder, "k", None)
    assert mark is not None
    assert mark.step == case.loader.steps(0) + 2
    assert str(mark).startswith("trainer.max_minutes 90 stopped the sequence model after step")
    weights = case.weights()
    read_best(case.folder, case.net)
    assert torch.equal(weights, case.weights())


def test_max_steps_ends_the_run_in_the_middle_of_an_epoch(case: Case) -> None:
    case.knobs = case.knobs.model_copy(update={"max_steps": case.loader.steps(0) + 1})
    curves, mark = train(case.net, case.loader, case.rising, case.knobs, 5, case.folder, "k", None)
    assert mark is None
    assert len(curves["train/loss"]) == 2
    left = read_progress(case.folder, "k")
    assert left is not None
    assert (left.done, left.step) == (True, case.loader.steps(0) + 1)


def test_the_learning_rate_rises_then_falls(case: Case) -> None:
    case.knobs = case.knobs.model_copy(update={"warmup_share": 0.1})
    run = TrainingLoop(case.folder, "k", case.knobs, case.loader, case.rising)
    run.steps = 100
    multiplier = np.array([run.lr_multiplier(step) for step in range(101)])
    np.testing.assert_allclose(multiplier[[0, 9, 100]], [0.1, 1.0, 0.05])
    assert (np.diff(multiplier[:10]) > 0).all()
    assert (np.diff(multiplier[10:]) < 0).all()


def test_tensorboard_files_are_written(case: Case, tmp_path: Path) -> None:
    case.train(board=tmp_path / "board")
    assert list((tmp_path / "board").rglob("events.out.tfevents.*"))


def test_a_missing_gpu_is_an_error(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    case.knobs = case.knobs.model_copy(update={"accelerator": "gpu"})
    with pytest.raises(ContractError, match=r"trainer\.accelerator is gpu"):
        case.train()


def test_lightning_logs_nothing(
    case: Case, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        case.train()
    assert {record.name for record in caplog.records} == {"finetune"}
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_fixed_number_of_epochs_ends_in_the_weights_of_that_epoch(case: Case, twin: Case, epochs: int) -> None:
    """The learning rate follows trainer.max_epochs, whatever the number of epochs; nothing is validated."""
    weights: list[torch.Tensor] = []

    def validate(_: Ensemble) -> float:
        weights.append(case.weights())
        return 0.0

    losses = case.train(validate)["train/loss"]
    assert twin.train(until=epochs) == {"train/loss": losses[:epochs]}
    assert torch.equal(twin.weights(), weights[epochs - 1])
    torch.nn.init.zeros_(twin.net.nets[0].items.own.weight)
    assert twin.train(until=epochs) == {"train/loss": losses[:epochs]}  # found complete
    assert torch.equal(twin.weights(), weights[epochs - 1])


@pytest.mark.parametrize("step", [3, 4, 6])
def test_an_interrupted_run_of_fixed_epochs_ends_in_the_same_weights(
    case: Case, twin: Case, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = case.train(until=2)
    with monkeypatch.context() as patch:
        stop_at(twin, step, patch)
        with pytest.raises(Stop):
            twin.train(until=2)
    for weight in twin.net.parameters():
        torch.nn.init.normal_(weight)
    assert twin.train(until=2) == straight
    assert torch.equal(twin.weights(), case.weights())


def test_a_run_of_fixed_epochs_that_reaches_max_minutes_goes_on_to_the_same_end(case: Case, twin: Case) -> None:
    case.train(until=2)
    twin.knobs = twin.knobs.model_copy(update={"max_minutes": 1e-9})
    steps = []
    while len(steps) < 100:  # every call stops after one step
        _, mark = train(twin.net, twin.loader, 2, twin.knobs, 5, twin.folder, "k", None)
        if mark is None:
            break
        steps.append(mark.step)
    assert steps == list(range(1, case.loader.steps(0) * 2))
    assert torch.equal(twin.weights(), case.weights())
