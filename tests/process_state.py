"""State of the process that outlives a test: tests must not change it. Reads, compares and restores it."""

import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

# Of the environment, only what tests must not leave behind: many libraries set variables of their own when imported,
# and the adapters of MLflow and DVC switch off telemetry and the like on first use.
READ = ("CAROUSEL_", "PREFECT_", "MLFLOW_TRACKING", "PROMETHEUS_", "HF_", "PL_", "OMP_", "PYTHON", "CRASH_AT")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def read_state() -> dict[str, Any]:
    """Return the state by name; torch's only if torch is imported."""
    root = logging.getLogger()
    state: dict[str, Any] = {
        "current directory": Path.cwd(),
        "sys.path": list(sys.path),
        "log level": root.level,
        "log handlers": [h for h in root.handlers if not type(h).__module__.startswith("_pytest")],
        "logging.disable": logging.root.manager.disable,
        "gc enabled": gc.isenabled(),
        "gc frozen": gc.get_freeze_count() > 0,
    }
    state |= {f"handler of {s.name}": signal.getsignal(s) for s in SIGNALS}
    state |= {f"environment {name}": value for name, value in os.environ.items() if name.startswith(READ)}
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_default_dtype"):
        state |= {
            "torch threads": torch.get_num_threads(),
            "torch dtype": torch.get_default_dtype(),
            "torch deterministic": torch.are_deterministic_algorithms_enabled(),
            "torch gradients": torch.is_grad_enabled(),
        }
    return state


def list_leaks(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return a line for each part of the state that differs; an import of torch in between is not a difference."""
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    imported = "torch threads" not in before
    return [f"{n}: {before.get(n)} -> {after.get(n)}" for n in names if not (imported and n.startswith("torch "))]


def restore_state(before: dict[str, Any]) -> None:
    """Restore the state."""
    os.chdir(before["current directory"])
    sys.path[:] = before["sys.path"]
    root = logging.getLogger()
    root.setLevel(before["log level"])
    pytests_own = [h for h in root.handlers if type(h).__module__.startswith("_pytest")]
    root.handlers[:] = [*before["log handlers"], *pytests_own]
    logging.disable(before["logging.disable"])
    (gc.enable if before["gc enabled"] else gc.disable)()
    if not before["gc frozen"]:
        gc.unfreeze()
    for s in SIGNALS:
        signal.signal(s, before[f"handler of {s.name}"])
    environment = {n.removeprefix("environment "): v for n, v in before.items() if n.startswith("environment ")}
    for name in [n for n in os.environ if n.startswith(READ) and n not in environment]:
        del os.environ[name]
    os.environ.update(environment)
    if "torch threads" in before:
        import torch

        torch.set_num_threads(before["torch threads"])
        torch.set_default_dtype(before["torch dtype"])
        torch.use_deterministic_algorithms(before["torch deterministic"])
        torch.set_grad_enabled(before["torch gradients"])
