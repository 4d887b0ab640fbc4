"""The curves of a training while it goes on: one JSON file that is replaced after each epoch.

The stage writes it; the flow reads it and shows the curves in MLflow. No result depends on it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.io import write_text

FILE = "curves.json"
Curves = Mapping[str, list[float]]  # "train/loss" and the like -> values by epoch or step


def write_curves(folder: Path, curves: Curves) -> None:
    """Replace folder/curves.json by the curves so far."""
    write_text(folder / FILE, json.dumps(curves))


def read_curves(folder: Path) -> dict[str, list[float]]:
    """Return the curves so far, as a stage's final files show them; raises OSError or ValueError without them."""
    found = json.loads((folder / FILE).read_bytes())
    return {name: round_values(values) for name, values in found.items()}


def round_values(values: Iterable[float]) -> list[float]:
    """Return the finite values with 6 significant digits."""
    return [float(f"{value:.6g}") for value in values if math.isfinite(value)]
