"""A training run on disk: weights, optimizer and progress as safetensors and JSON, whole or not there at all."""

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
class Progress:
    """Where a training run stands."""

    key: str  # digest of everything that the run depends on; another key is another run
    epoch: int = 0
    batch: int = 0  # batches done in this epoch
    step: int = 0
    best: float = -1.0  # best validation metric so far
    since_best: int = 0  # epochs since then
    done: bool = False
    loss_sum: float = 0.0  # of this epoch
    curves: dict[str, list[float]] = field(default_factory=dict)


def write_state(folder: Path, net: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write state.safetensors, then state.json that names its step: the two are read together or not at all."""
    tensors = {f"net.{k}": v for k, v in net.state_dict().items()} | moments(optimizer, "optimizer")
    name = f"state-{progress.step}.safetensors"
    write_tensors(folder / name, tensors)
    write_text(folder / "state.json", json.dumps(asdict(progress)))
    for old in folder.glob("state-*.safetensors"):
        if old.name != name:
            old.unlink()


def read_state(folder: Path, key: str, net: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the newest state of this very run into net and optimizer; return where it stands, or a fresh start.

    Raises ContractError naming the file that is damaged.
    """
    progress = read_progress(folder, key)
    if progress is None:
        return Progress(key)
    path = folder / f"state-{progress.step}.safetensors"
    try:
        tensors = read_tensors(path)
        net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")})
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None
    load_moments(optimizer, "optimizer", tensors)
    return progress


def read_progress(folder: Path, key: str) -> Progress | None:
    """Return state.json, or None where there is none of this very run; raises ContractError when it is damaged."""
    path = folder / "state.json"
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_bytes())
        return Progress(**content) if content["key"] == key else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, error) from None


def write_best(folder: Path, net: nn.Module) -> None:
    """Keep the weights of the best epoch so far."""
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
