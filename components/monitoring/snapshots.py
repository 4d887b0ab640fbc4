"""Evidently's workspace: a project for each shop, with the drift report of each run as a snapshot.

The stage `drift` writes the snapshot; storing it is a copy, for which Evidently, whose import takes seconds, is not
needed. ui.py makes the projects' dashboards.
"""

from pathlib import Path
from uuid import UUID, uuid5

from components import io

FILE = "evidently.json"  # in reports/drift; a run without compared columns has none
WORKSPACE = "evidently"  # in CAROUSEL_HOME
SNAPSHOTS = "snapshots"  # in a project's folder, as Evidently names it
MAX_SNAPSHOTS = 500  # newest snapshots of a shop, about 0.3 MiB each
PROJECTS = UUID("7d1f0a52-5b0b-5a6d-9d2c-3f0c6c1f4a10")  # namespace of the projects' ids


def project_id(shop: str) -> UUID:
    """Return the id of the shop's project. shop: release.name."""
    return uuid5(PROJECTS, shop)


def store_snapshot(home: Path, shop: str, report: Path) -> Path | None:
    """Copy the snapshot of the last run into the workspace; return its file, None where the run has none.

    report: reports/drift. The same report is stored once. The oldest of more than MAX_SNAPSHOTS snapshots are removed.
    """
    source = report / FILE
    if not source.is_file():
        return None
    content = source.read_bytes()
    folder = home / WORKSPACE / str(project_id(shop)) / SNAPSHOTS
    target = folder / f"{uuid5(PROJECTS, io.sha256_bytes(content))}.json"
    if not target.exists():
        io.write_bytes(target, content)
        target.touch()  # a running interface notices changes of files, not that they are renamed
        for old in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-MAX_SNAPSHOTS]:
            old.unlink(missing_ok=True)
    return target
