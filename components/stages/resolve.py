"""Stage `resolve`: params.yaml, overlays and overrides -> run/params.yaml; fingerprints of sources and code.

In a pass with a recipe, run/params.yaml has the recipe's values, and run/recipe holds its language model.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from components import params, redact
from components.applications.own_files import FILES, application_files
from components.data.sources import fingerprint
from components.errors import CarouselError, ContractError
from components.faults import crash_point
from components.io import write_text
from components.recommenders.factory import check_names
from components.release.recipe import place_inputs
from components.settings import Settings
from components.stages import moment
from components.tombstones import SOURCES_KEY, tombstones_digest
from components.tuning import overlay

if TYPE_CHECKING:
    from components.release.bundle import Bundle


def resolve(
    root: Path,
    overlays: list[Path],
    overrides: list[str],
    data_root: Path | None = None,
    champion: Bundle | None = None,
) -> params.Params:
    """Write run/params.yaml, the fingerprints, run/recipe and an empty champion/ below root.

    Returns the parameters. data_root: where relative source paths start, if not at root. champion: its recipe is
    fitted; None: the pass selects one. A file whose content would stay the same is not written.
    Raises ContractError where the champion has no recipe.
    """
    checked = params.load(root / "params.yaml", overlays, overrides)
    if champion is not None:
        checked = apply_recipe(champion, checked)
    check_names(checked)
    _write(
        root / "run/params.yaml", yaml.safe_dump(checked.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    )
    sources = fingerprint(checked.data, data_root or root)
    forgotten = tombstones_digest(Settings().resolved(root.resolve()).shop(checked.release.name))
    if forgotten is not None:
        sources[SOURCES_KEY] = {"shop": checked.release.name, "digest": forgotten}
    _write(root / "run/sources.json", json.dumps(sources, indent=1, sort_keys=True) + "\n")
    start = root if checked.data.simulated else data_root or root
    for name, files in application_files(checked, start).items():
        _write(root / FILES / f"{name}.json", json.dumps(files, indent=1, sort_keys=True) + "\n")
    place_inputs(root, champion.folder if champion else None)
    if not (root / "champion/champion.json").exists():
        _write(root / "champion/champion.json", "null\n")
    return checked


def apply_recipe(champion: Bundle, checked: params.Params) -> params.Params:
    """Return the parameters of a pass that fits the champion's recipe; raises ContractError where it has none."""
    try:
        return champion.recipe_params(checked)
    except ContractError as error:
        raise ContractError(f"{error}; run `carousel retrain`, whose champion has one") from None


def main() -> None:
    """Resolve in the current folder: the environment's overlays, the shop's tuned values, overrides, in that order."""
    redact.install()
    crash_point("resolve:before")
    settings = Settings()
    overlays, overrides = settings.overlays, settings.override_lines
    try:
        loaded = params.load(Path("params.yaml"), overlays, overrides)
        if not params.names_as_of(Path("params.yaml"), overlays, overrides):
            data_root = settings.data_root or Path()
            as_of = moment.choose(Path(), loaded.data, data_root, datetime.now(UTC))
            overrides.append(f'data.as_of="{as_of.isoformat()}"')
            loaded = params.load(Path("params.yaml"), overlays, overrides)
            moment.store(Path(), loaded.data, data_root)
        tuned = overlay.find(settings.resolved(Path.cwd()).shop(loaded.release.name), loaded.data.as_of)
        resolve(Path(), [*overlays, *([tuned] if tuned else [])], overrides, settings.data_root)
    except CarouselError as error:
        sys.exit(f"resolve: {error}")
    crash_point("resolve:after")


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_bytes() != text.encode():
        write_text(path, text)


if __name__ == "__main__":
    main()
