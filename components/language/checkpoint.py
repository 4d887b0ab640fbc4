"""Checkpoint of a pretraining in one safetensors file: trained weights, optimizer moments, and the curves so far."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.errors import ContractError
from components.tensors import DAMAGE, load_moments, moments, read_metadata, read_tensors, write_tensors

FILE = "state.safetensors"


@dataclass
class PretrainProgress:
    """State of a pretraining run; `key` is a digest of everything that the run depends on."""

    key: str
    step: int = 0
    done: bool = False
    before: float = float("nan")  # pseudo-perplexity of the held-out texts before the first step
    curves: dict[str, list[float]] = field(default_factory=dict)


def write_checkpoint(folder: Path, weights: dict[str, Tensor], optimizer: Any, progress: PretrainProgress) -> None:
    """Write the checkpoint atomically, with a digest of its bytes."""
    tensors = {f"weight.{name}": weight for name, weight in weights.items()} | moments(optimizer, "moment")
    write_tensors(folder / FILE, tensors, {"progress": json.dumps(asdict(progress))})


def read_checkpoint(folder: Path, key: str, weights: dict[str, Tensor], optimizer: Any) -> PretrainProgress:
    """Load the checkpoint of the run `key` into weights and optimizer; return its progress, or that of a new run.

    Raises ContractError when the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return PretrainProgress(key)
    try:
        progress = PretrainProgress(**json.loads(read_metadata(path)["progress"]))
        if progress.key != key:
            return PretrainProgress(key)
        tensors = read_tensors(path)
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(tensors[f"weight.{name}"])
        load_moments(optimizer, "moment", tensors)
    except DAMAGE as error:
        raise ContractError(
            f"{path}: expected a checkpoint, got a damaged file ({error}); remove {folder} to start again"
        ) from None
    return progress
