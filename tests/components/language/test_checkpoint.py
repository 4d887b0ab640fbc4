"""A checkpoint is restored completely and by its own run only, or refused."""

from pathlib import Path

import pytest
import torch

from components.errors import ContractError
from components.language.checkpoint import FILE, PretrainProgress, read_checkpoint, write_checkpoint


def make(value: float) -> tuple[dict[str, torch.Tensor], torch.optim.Optimizer]:
    weight = torch.nn.Parameter(torch.full((2, 3), value))
    return {"a.b": weight}, torch.optim.AdamW([weight], lr=0.1)


def step(weights: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    (weights["a.b"] ** 2).sum().backward()
    optimizer.step()


def trained(folder: Path) -> torch.Tensor:
    """Return the weight after three steps; the checkpoint is written after the second."""
    weights, optimizer = make(1.0)
    step(weights, optimizer)
    step(weights, optimizer)
    write_checkpoint(
        folder, weights, optimizer, PretrainProgress("key", 2, before=3.5, curves={"train/pairs": [2.0, 1.0]})
    )
    step(weights, optimizer)
    return weights["a.b"]


def test_a_restored_checkpoint_gives_the_same_next_step(tmp_path: Path) -> None:
    straight = trained(tmp_path)
    weights, optimizer = make(9.0)
    progress = read_checkpoint(tmp_path, "key", weights, optimizer)
    assert (progress.step, progress.before, progress.curves) == (2, 3.5, {"train/pairs": [2.0, 1.0]})
    step(weights, optimizer)
    torch.testing.assert_close(weights["a.b"], straight, rtol=0, atol=0)


def test_a_checkpoint_of_another_run_is_ignored(tmp_path: Path) -> None:
    trained(tmp_path)
    weights, optimizer = make(9.0)
    assert read_checkpoint(tmp_path, "other", weights, optimizer).step == 0
    assert read_checkpoint(tmp_path / "nowhere", "key", weights, optimizer).step == 0
    assert (weights["a.b"] == 9).all()


@pytest.mark.parametrize("at", [-1, 3])
def test_a_damaged_checkpoint_is_an_error(tmp_path: Path, at: int) -> None:
    trained(tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[at] ^= 1
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ContractError, match=r"damaged .* remove"):
        read_checkpoint(tmp_path, "key", *make(9.0))
