"""What `carousel params` prints: each parameter with value, unit and effect, and where it was set."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import yaml

from components.params.listing import DEFAULT, list_parameters
from flows import terminal

if TYPE_CHECKING:
    from flows.workspace import Workspace


def show(workspace: Workspace, with_defaults: bool, as_json: bool) -> None:
    """Print the parameters of a run in this checkout; without `with_defaults` only those that some file sets."""
    overrides = workspace.overrides[:-1] if workspace.from_clock else workspace.overrides  # the last is the time
    found = list_parameters(workspace.root / "params.yaml", workspace.overlays, overrides)
    folder = f"{workspace.root}/"
    found = [p._replace(origin=p.origin.removeprefix(folder)) for p in found if with_defaults or p.origin != DEFAULT]
    if as_json:
        content = {p.name: {"value": p.value, "description": p.description, "origin": p.origin} for p in found}
        terminal.write(json.dumps(content, ensure_ascii=False))
        return
    rows = [(p.name, _text(p.value), p.description, p.origin) for p in found]
    if sys.stdout.isatty():
        terminal.table([("parameter", "value", "unit and effect", "set in"), *rows])
    else:
        for name, value, description, origin in rows:
            terminal.write(f"{name}: {value}  # {description} ({origin})")


def _text(value: Any) -> str:
    """Return the value on one line of YAML."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n...\n").strip()
