"""Checkpoints of a training run: weights, optimizer state and progress as safetensors and JSON, written atomically."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn

from components.errors import ContractError
from components.io import write_text
from components.tensors import load_moments, moments, read_tensors, write_tensors


@dataclass
class TrainingProgress:
    """The progress of a training run."""

    key: str  # digest of everything that the run depends on; a checkpoint with another key belongs to another run
    epoch: int = 0
    batch: int = 0  # batches done in this epoch
    step: int = 0
    best: float = -1.0  # best validation metric so far
    since_best: int = 0  # epochs since then
    done: bool = False
    loss_sum: float = 0.0  # of this epoch
    curves: dict[str, list[float]] = field(default_factory=dict)


def write_state(folder: Path, net: nn.Module, optimizer: torch.optim.Optimizer, progress: TrainingProgress) -> None:
    """Write state-<step>.safetensors, then state.json with that step: a reader sees both or neither."""
    tensors = {f"net.{k}": v for k, v in net.state_dict().items()} | moments(optimizer, "optimizer")
    name = f"state-{progress.step}.safetensors"
    write_tensors(folder / name, tensors)
    write_text(folder / "state.json", json.dumps(asdict(progress)))
    for old in folder.glob("state-*.safetensors"):
        if old.name != name:
            old.unlink()


def read_state(folder: Path, key: str, net: nn.Module, optimizer: torch.optim.Optimizer) -> TrainingProgress:
    """Load the newest checkpoint with this key into net and optimizer; return its progress, or that of a new run.

    Raises ContractError naming the file that is damaged.
    """
    progress = read_progress(folder, key)
    if progress is None:
        return TrainingProgress(key)
    path = folder / f"state-{progress.step}.safetensors"
    try:
        tensors = read_tensors(path)
        net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")})
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None
    load_moments(optimizer, "optimizer", tensors)
    return progress


def read_progress(folder: Path, key: str) -> TrainingProgress | None:
    """Return state.json, or None where there is none with this key; raises ContractError when it is damaged."""
    path = folder / "state.json"
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_bytes())
        return TrainingProgress(**content) if content["key"] == key else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, error) from None


def write_best(folder: Path, net: nn.Module) -> None:
    """Write the weights of the best epoch so far."""
    write_tensors(folder / "best.safetensors", net.state_dict())


def read_best(folder: Path, net: nn.Module) -> None:
    """Load the weights of the best epoch; raises ContractError when they are damaged."""
    path = folder / "best.safetensors"
    try:
        net.load_state_dict(read_tensors(path))
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> ContractError:
    return ContractError(f"{path}: damaged ({error}); remove {path.parent} to train from the start")
