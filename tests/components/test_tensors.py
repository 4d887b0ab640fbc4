"""Tensors are read as written; a flipped byte is an error."""

from pathlib import Path

import pytest
import torch

from components.errors import ContractError
from components.tensors import DAMAGE, load_moments, moments, read_metadata, read_tensors, write_tensors


def test_tensors_and_metadata_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "new/state.safetensors"
    write_tensors(path, {"a": torch.arange(3.0), "b": torch.ones(2, 2).T}, {"step": "4"})
    read = read_tensors(path)
    assert torch.equal(read["a"], torch.arange(3.0))
    assert read["b"].shape == (2, 2)
    assert read_metadata(path)["step"] == "4"
    assert [p.name for p in path.parent.iterdir()] == ["state.safetensors"]


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    write_tensors(path, {"a": torch.arange(3.0)})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DAMAGE, match="digest"):
        read_tensors(path)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").mkdir()  # no file can replace a folder
    with pytest.raises(ContractError, match="free disk space"):
        write_tensors(tmp_path / "state.safetensors", {"a": torch.ones(1)})


def test_an_optimizer_continues_from_its_stored_moments() -> None:
    def stepped(weight: torch.Tensor, optimizer: torch.optim.Optimizer) -> torch.Tensor:
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        return weight.detach().clone()

    one, other = (torch.ones(2, requires_grad=True) for _ in range(2))
    first, second = (torch.optim.AdamW([w], lr=0.1) for w in (one, other))
    stepped(one, first)
    other.data.copy_(one.data)
    kept = {name: tensor.clone() for name, tensor in moments(first, "m").items()}  # as from a file: no shared memory
    load_moments(second, "m", {**kept, "weight": one.detach()})
    assert torch.equal(stepped(one, first), stepped(other, second))
