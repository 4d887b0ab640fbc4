"""Removal of forgotten users from what applications have published."""

from __future__ import annotations

import shutil
from pathlib import Path

from components.applications.publish import CURRENT, Published, folder_digest
from components.applications.record import FOLDER
from components.data.forgotten import erase_from
from components.io import find_record, temporary_folder, write_record
from components.tombstones import Forgotten


def erase_published(shop: Path, forgotten: Forgotten) -> dict[str, int]:
    """Remove forgotten users from what all applications have published; return the rows removed by file.

    What is in use is replaced as a whole; folders that are not in use and hold such users are removed.
    """
    removed: dict[str, int] = {}
    for parent in sorted(path for path in (shop / FOLDER).glob("*") if path.is_dir()):
        current = find_record(parent / CURRENT, Published, "published")
        for folder in sorted(path for path in parent.iterdir() if path.is_dir()):
            with temporary_folder(folder) as temporary:
                copy = temporary / "copy"
                shutil.copytree(folder, copy)
                rows = {file.name: erase_from(file, forgotten) for file in sorted(copy.rglob("*.parquet"))}
                if not any(rows.values()):
                    continue
                removed |= {f"{parent.name}/{name}": n for name, n in rows.items() if n}
                if current is not None and folder.name == current.digest:
                    digest = folder_digest(copy)
                    copy.replace(parent / digest)
                    write_record(parent / CURRENT, current.model_copy(update={"digest": digest}))
            shutil.rmtree(folder)
    return removed
