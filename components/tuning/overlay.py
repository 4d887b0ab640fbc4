"""tuned.yaml: the result of a search, as the overlay that later runs of the shop start from, with its origin."""

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import yaml

from components.io import write_text
from components.tuning import space

log = logging.getLogger(__name__)
FILE = "tuned.yaml"
HEAD = "# Found by `carousel tune` as of {}; `retrain` starts from here, `carousel tune --reset` removes it."
AS_OF = re.compile(r"^# Found by `carousel tune` as of (\S+);")


def write(shop: Path, as_of: datetime, values: space.Values, stories: Mapping[str, str]) -> Path:
    """Write the values over those of an earlier search, with a line for each model on where they come from.

    The file states the later as_of of the two searches.
    """
    file = shop / FILE
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    as_of = max(as_of, _as_of(text) or as_of)
    earlier = [line for line in origin(text) if line.partition(":")[0] not in stories]
    lines = [HEAD.format(as_of.isoformat())]
    lines += [f"# {line}" for line in [*earlier, *(f"{model}: {story}" for model, story in stories.items())]]
    tree = space.nested({**space.flat(yaml.safe_load(text) or {}), **values})
    write_text(file, "\n".join(lines) + "\n" + yaml.safe_dump(tree))
    return file


def find(shop: Path, as_of: datetime) -> Path | None:
    """Return the shop's overlay; None without one, or with one found after as_of."""
    file = shop / FILE
    if not file.exists():
        return None
    found = _as_of(file.read_text(encoding="utf-8"))
    if found is not None and found > as_of:
        log.info("%s was found as of %s, later than the moment of this run: ignored", file, found.isoformat())
        return None
    return file


def origin(text: str) -> list[str]:
    """Return the origin of the values, one line per model: "ease: MLflow run ..., models.ease.l2 200 -> 431"."""
    return [line[2:] for line in text.splitlines()[1:] if line.startswith("# ")]


def remove(shop: Path) -> bool:
    """Remove the shop's overlay; return whether there was one."""
    file = shop / FILE
    existed = file.exists()
    file.unlink(missing_ok=True)
    return existed


def _as_of(text: str) -> datetime | None:
    found = AS_OF.match(text)
    return datetime.fromisoformat(found[1]) if found else None
