"""Files with ids of users that were written for a shop: audiences and exports, which `carousel forget` cleans."""

from __future__ import annotations

from pathlib import Path

from components import io
from components.contracts import Record

FILE = "written.json"  # in the folder of a shop


class WrittenFiles(Record):
    """written.json: absolute paths."""

    paths: tuple[str, ...] = ()


def note_written(shop: Path, *files: Path) -> None:
    """Remember files that were just written; those that are gone are dropped from the list."""
    before = written_files(shop)
    paths = sorted({str(file.resolve()) for file in (*before, *files)})
    io.write_record(shop / FILE, WrittenFiles(paths=tuple(paths)))


def written_files(shop: Path) -> list[Path]:
    """Return the files that still exist."""
    found = io.find_record(shop / FILE, WrittenFiles, "written_files", "delete it")
    return [path for name in (found.paths if found else ()) if (path := Path(name)).is_file()]
