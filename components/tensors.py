"""Tensors of a training run on disk, written atomically with a digest, since safetensors has no checksum."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from components.errors import ContractError
from components.io import atomic_file

DAMAGE = (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError)  # what reading a damaged file raises


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write the file with a digest and further metadata; raises ContractError when it cannot be written."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with atomic_file(path) as temporary:
            save_file(contiguous, temporary, metadata={"sha256": _digest(contiguous), **(metadata or {})})
    except (OSError, SafetensorError) as error:
        raise ContractError(f"{path}: cannot be written ({error}); free disk space, then run again to resume") from None


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata; raises one of DAMAGE."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors; raises one of DAMAGE where the file or its digest is wrong."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if (file.metadata() or {}).get("sha256") != _digest(tensors):
            raise ValueError("the digest in its metadata is not that of its tensors")
    return tensors


def moments(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """Return the optimizer's state as "prefix.0.exp_avg" -> tensor."""
    state = optimizer.state_dict()["state"]
    return {f"{prefix}.{i}.{name}": tensor for i, own in state.items() for name, tensor in own.items()}


def load_moments(optimizer: torch.optim.Optimizer, prefix: str, tensors: Mapping[str, Tensor]) -> None:
    """Load into the optimizer what `moments` returned."""
    found: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(f"{prefix}."):
            _, i, name = key.split(".")
            found.setdefault(int(i), {})[name] = tensor
    content: dict[str, Any] = optimizer.state_dict()
    content["state"] = found
    optimizer.load_state_dict(content)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
