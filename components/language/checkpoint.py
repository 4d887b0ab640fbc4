"""Where a pretraining stands, as one safetensors file: weights that learn, their moments, and the curves so far."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from components.errors import ContractError

FILE = "state.safetensors"


@dataclass
class Progress:
    """How far a run has come; `key` is a digest of everything that it depends on: another key is another run."""

    key: str
    step: int = 0
    done: bool = False
    before: float = float("nan")  # pseudo-perplexity of the held-out texts before the first step
    curves: dict[str, list[float]] = field(default_factory=dict)


def write_checkpoint(folder: Path, weights: dict[str, Tensor], optimizer: Any, progress: Progress) -> None:
    """Write the state whole or not at all, with a digest of its bytes."""
    tensors = {f"weight.{name}": w.detach().cpu().contiguous() for name, w in weights.items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"moment.{i}.{k}": v.detach().cpu().contiguous() for k, v in moments.items()}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{FILE}.partial"
    about = {"sha256": _digest(tensors), "progress": json.dumps(asdict(progress))}
    try:
        save_file(tensors, partial, metadata=about)
        partial.replace(folder / FILE)
    except (OSError, SafetensorError) as error:
        raise ContractError(f"{folder / FILE}: cannot be written ({error}); make room, then run again") from None


def read_checkpoint(folder: Path, key: str, weights: dict[str, Tensor], optimizer: Any) -> Progress:
    """Load the state of this very run into weights and optimizer; return where it stands, or a fresh start.

    Raises ContractError when the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return Progress(key)
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            progress = Progress(**json.loads(about["progress"]))
            if progress.key != key:
                return Progress(key)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if about["sha256"] != _digest(tensors):
            raise ValueError("its digest is not that of its tensors")
        _load(tensors, weights, optimizer)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ContractError(f"{path}: damaged ({error}); remove {folder} to begin again") from None
    return progress


def _load(tensors: dict[str, Tensor], weights: dict[str, Tensor], optimizer: Any) -> None:
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[f"weight.{name}"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("moment."):
            _, i, what = name.split(".")
            moments.setdefault(int(i), {})[what] = tensor
    content = optimizer.state_dict()
    content["state"] = moments
    optimizer.load_state_dict(content)


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
