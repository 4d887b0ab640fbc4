"""A training run on disk: weights, optimizer and progress as safetensors and JSON, whole or not there at all."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from components.errors import ContractError

BEST = "best.safetensors"


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
    seconds: float = 0.0  # spent in training, over all attempts
    loss_sum: float = 0.0  # of this epoch
    curves: dict[str, list[float]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)  # file -> sha256 of what belongs to this state


def write_state(folder: Path, net: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write state-<step>.safetensors, then state.json that names it: the two are read together or not at all.

    Raises ContractError when the folder cannot be written; the state before stays.
    """
    tensors = {f"net.{k}": v for k, v in net.state_dict().items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": v for k, v in moments.items()}
    name = _state_name(progress)
    progress.digests = {k: v for k, v in progress.digests.items() if k == BEST}
    progress.digests[name] = _write(folder / name, save(_on_cpu(tensors)))
    _write(folder / "state.json", json.dumps(asdict(progress), sort_keys=True).encode())
    for old in folder.glob("state-*.safetensors"):
        if old.name != name:
            old.unlink()


def read_state(folder: Path, progress: Progress, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Load the state that `progress` names into net and optimizer; raises ContractError when it is damaged."""
    tensors = _read(folder, _state_name(progress), progress)
    net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, i, what = name.split(".")
            moments.setdefault(int(i), {})[what] = tensor
    content: dict[str, Any] = optimizer.state_dict()
    content["state"] = moments
    optimizer.load_state_dict(content)


def read_progress(folder: Path, key: str) -> Progress:
    """Return where the run `key` stands in the folder: at its start, where the folder holds nothing or another run."""
    path = folder / "state.json"
    if not path.exists():
        return Progress(key)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Progress(**content) if content["key"] == key else Progress(key)
    except (ValueError, TypeError, KeyError) as error:
        raise ContractError(f"{path}: damaged ({error!r}); remove {folder} to train from the start") from None


def write_best(folder: Path, net: nn.Module, progress: Progress) -> None:
    """Keep the weights of the best epoch so far; the next state vouches for them."""
    progress.digests[BEST] = _write(folder / BEST, save(_on_cpu(net.state_dict())))


def read_best(folder: Path, net: nn.Module, progress: Progress) -> None:
    """Load the weights of the best epoch; raises ContractError when they are damaged."""
    net.load_state_dict(_read(folder, BEST, progress))


def _state_name(progress: Progress) -> str:
    return f"state-{progress.step}.safetensors"


def _on_cpu(tensors: dict[str, Any]) -> dict[str, Tensor]:
    return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}


def _write(path: Path, content: bytes) -> str:
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise ContractError(f"{path}: cannot be written ({error.strerror}); make room, then run again") from None
    return hashlib.sha256(content).hexdigest()


def _read(folder: Path, name: str, progress: Progress) -> dict[str, Tensor]:
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror}); remove {folder} to train anew") from None
    if hashlib.sha256(content).hexdigest() != progress.digests.get(name):
        raise ContractError(f"{path}: damaged, its digest is not the one in state.json; remove {folder} to train anew")
    return load(content)
