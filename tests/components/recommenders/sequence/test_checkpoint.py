"""Checkpoints: written completely or not at all, resumed only by the same run, and refused by name when damaged."""

from pathlib import Path

import pytest
import torch
from torch import nn

from components.errors import ContractError
from components.recommenders.sequence.checkpoint import (
    TrainingProgress,
    read_best,
    read_progress,
    read_state,
    write_best,
    write_state,
)


def make(seed: int = 0) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    return net, torch.optim.AdamW(net.parameters(), lr=0.1)


def step(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    (net(torch.ones(2, 3)) ** 2).sum().backward()
    optimizer.step()


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, nn.Module, torch.optim.Optimizer]:
    net, optimizer = make()
    step(net, optimizer)
    write_state(tmp_path, net, optimizer, TrainingProgress("k", epoch=1, batch=2, step=3, curves={"a": [1.5]}))
    return tmp_path, net, optimizer


def test_a_checkpoint_resumes_training(written: tuple[Path, nn.Module, torch.optim.Optimizer]) -> None:
    folder, net, optimizer = written
    again, its_optimizer = make(seed=9)
    progress = read_state(folder, "k", again, its_optimizer)
    assert (progress.epoch, progress.batch, progress.step, progress.curves) == (1, 2, 3, {"a": [1.5]})
    for _ in range(3):
        step(net, optimizer)
        step(again, its_optimizer)
    for one, two in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_checkpoint_with_another_key_is_not_read(written: tuple[Path, nn.Module, torch.optim.Optimizer]) -> None:
    fresh, optimizer = make(seed=9)
    before = [p.clone() for p in fresh.parameters()]
    assert read_state(written[0], "other", fresh, optimizer) == TrainingProgress("other")
    assert all(torch.equal(a, b) for a, b in zip(before, fresh.parameters(), strict=True))


def test_an_empty_folder_is_a_fresh_start(tmp_path: Path) -> None:
    assert read_progress(tmp_path, "k") is None
    assert read_state(tmp_path / "none", "k", *make()) == TrainingProgress("k")


def test_a_newer_checkpoint_replaces_the_older(written: tuple[Path, nn.Module, torch.optim.Optimizer]) -> None:
    folder, net, optimizer = written
    write_state(folder, net, optimizer, TrainingProgress("k", step=4))
    assert sorted(p.name for p in folder.iterdir()) == ["state-4.safetensors", "state.json"]


def test_a_crash_between_the_two_files_leaves_the_older_state(
    written: tuple[Path, nn.Module, torch.optim.Optimizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, net, optimizer = written

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("json.dumps", crash)
    with pytest.raises(KeyboardInterrupt):
        write_state(folder, net, optimizer, TrainingProgress("k", step=4))
    assert read_state(folder, "k", *make()).step == 3


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


@pytest.mark.parametrize("name", ["state-3.safetensors", "state.json"])
def test_a_damaged_state_is_refused_by_name(written: tuple[Path, nn.Module, torch.optim.Optimizer], name: str) -> None:
    cut(written[0] / name)
    with pytest.raises(ContractError, match=rf"{name}: damaged.*remove"):
        read_state(written[0], "k", *make())


def test_one_flipped_bit_of_a_weight_is_refused(written: tuple[Path, nn.Module, torch.optim.Optimizer]) -> None:
    path = written[0] / "state-3.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ContractError, match=r"state-3\.safetensors: damaged.*digest"):
        read_state(written[0], "k", *make())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").mkdir()  # no file can replace a folder
    with pytest.raises(ContractError, match=r"best\.safetensors: cannot be written"):
        write_best(tmp_path, make()[0])


@pytest.mark.parametrize("text", ["[]", "{}", '{"key": "k", "speed": 3}', "\x00"])
def test_progress_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(ContractError, match=r"state\.json: damaged"):
        read_progress(tmp_path, "k")


def test_a_missing_or_foreign_tensor_file_is_refused(
    written: tuple[Path, nn.Module, torch.optim.Optimizer],
) -> None:
    other = nn.Linear(7, 7)
    with pytest.raises(ContractError, match=r"state-3\.safetensors: damaged"):
        read_state(written[0], "k", other, torch.optim.AdamW(other.parameters()))
    (written[0] / "state-3.safetensors").unlink()
    with pytest.raises(ContractError, match=r"state-3\.safetensors: damaged"):
        read_state(written[0], "k", *make())


def test_the_best_weights_come_back_or_are_refused(tmp_path: Path) -> None:
    net, _ = make()
    write_best(tmp_path, net)
    again, _ = make(seed=9)
    read_best(tmp_path, again)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    cut(tmp_path / "best.safetensors")
    with pytest.raises(ContractError, match=r"best\.safetensors: damaged"):
        read_best(tmp_path, again)
