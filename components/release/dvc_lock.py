"""dvc.lock: the digest of each output that DVC's stages have written."""

from pathlib import Path
from typing import Any

import yaml

from components.errors import ReleaseError

LOCK = "dvc.lock"


def read_outputs(root: Path, stage: str | None = None) -> dict[str, str]:
    """Return path -> DVC's digest of the outputs of all stages, or of one; raises ReleaseError without a dvc.lock."""
    stages = _read(root)["stages"]
    chosen = stages.values() if stage is None else [stages.get(stage, {})]
    return {str(out["path"]): str(out["md5"]) for entry in chosen for out in entry.get("outs", [])}


def read_digest(root: Path, target: str) -> str:
    """Return DVC's digest of one output, such as data/snapshot; raises ReleaseError where no stage wrote it."""
    found = read_outputs(root).get(target)
    if found is None:
        raise ReleaseError(f"{LOCK} names no output {target}; run the stage that writes it")
    return found


def read_inputs(root: Path, stage: str) -> dict[str, Any] | None:
    """Return command, dependencies and parameters with which a stage last ran; None where it never did."""
    entry = _read(root)["stages"].get(stage)
    return None if entry is None else {key: entry.get(key) for key in ("cmd", "deps", "params")}


def _read(root: Path) -> dict[str, Any]:
    try:
        lock = yaml.load((root / LOCK).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise ReleaseError(
            f"{LOCK} is missing: no stage has run in this checkout yet; run `carousel retrain`"
        ) from None
    except yaml.YAMLError as error:
        raise ReleaseError(f"{LOCK} is not YAML ({error}); delete it and run `carousel retrain`") from None
    return dict(lock)
