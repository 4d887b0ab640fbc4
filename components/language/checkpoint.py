"""Where a pretraining stands, as one safetensors file: weights that learn, their moments, and the curves so far."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.errors import ContractError
from components.tensors import DAMAGE, load_moments, moments, read_about, read_tensors, write_tensors

FILE = "state.safetensors"


@dataclass
class PretrainProgress:
    """How far a run has come; `key` is a digest of everything that it depends on: another key is another run."""

    key: str
    step: int = 0
    done: bool = False
    before: float = float("nan")  # pseudo-perplexity of the held-out texts before the first step
    curves: dict[str, list[float]] = field(default_factory=dict)


def write_checkpoint(folder: Path, weights: dict[str, Tensor], optimizer: Any, progress: PretrainProgress) -> None:
    """Write the state whole or not at all, with a digest of its bytes."""
    tensors = {f"weight.{name}": weight for name, weight in weights.items()} | moments(optimizer, "moment")
    write_tensors(folder / FILE, tensors, {"progress": json.dumps(asdict(progress))})


def read_checkpoint(folder: Path, key: str, weights: dict[str, Tensor], optimizer: Any) -> PretrainProgress:
    """Load the state of this very run into weights and optimizer; return where it stands, or a fresh start.

    Raises ContractError when the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return PretrainProgress(key)
    try:
        progress = PretrainProgress(**json.loads(read_about(path)["progress"]))
        if progress.key != key:
            return PretrainProgress(key)
        tensors = read_tensors(path)
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(tensors[f"weight.{name}"])
        load_moments(optimizer, "moment", tensors)
    except DAMAGE as error:
        raise ContractError(f"{path}: damaged ({error}); remove {folder} to begin again") from None
    return progress
