"""What applications give to the service: folders below the shop's, each replaced as a whole.

shops/NAME/applications/inventory/current.json names the folder beside it that is in use; its name is the digest of its
files. A reader that has opened a folder keeps it: the one before the current one stays on the disk.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from components.applications.record import FOLDER, ApplicationRecord, find_application
from components.contracts import Record
from components.errors import ContractError, TamperedError
from components.io import find_record, sha256_bytes, sha256_file, temporary_folder, write_record

CURRENT = "current.json"
LAST = "last.json"  # the record of the last run, also of one that shipped nothing
KEPT_FOLDERS = 2  # the current one, and the one before it


class Published(Record):
    """current.json: which folder is in use."""

    digest: str  # sha256 over names and digests of the files
    as_of: str


def publish(root: Path, name: str, shop: Path) -> ApplicationRecord:
    """Copy applications/NAME of the checkout to the shop's folder, if its record says that it ships; return the record.

    Raises ContractError where the stage has left no record.
    """
    source = root / FOLDER / name
    record = find_application(source)
    if record is None:
        raise ContractError(f"{source}: no record.json; run the stage `{name}` with {name}.enabled=true")
    parent = shop / FOLDER / name
    parent.mkdir(parents=True, exist_ok=True)
    if record.ships == "nothing":
        write_record(parent / LAST, record)
        return record
    digest = folder_digest(source)
    target = parent / digest
    if not target.is_dir():
        with temporary_folder(target) as temporary:
            shutil.copytree(source, temporary / "copy")
            (temporary / "copy").replace(target)
    write_record(parent / CURRENT, Published(digest=digest, as_of=record.as_of))
    write_record(parent / LAST, record)
    target.touch()
    _remove_old(parent, digest)
    return record


def find_published(shop: Path, name: str) -> Path | None:
    """Return the folder in use; None where the application has published nothing.

    Raises TamperedError where its files are not those that were published.
    """
    parent = shop / FOLDER / name
    current = find_record(parent / CURRENT, Published, "published")
    if current is None:
        return None
    folder = parent / current.digest
    if not folder.is_dir() or folder_digest(folder) != current.digest:
        raise TamperedError(f"{folder}: not the files that were published; run the application again")
    return folder


def find_last(shop: Path, name: str) -> ApplicationRecord | None:
    """Return the record of the application's last run; None where there was none since version 0.5."""
    return find_record(shop / FOLDER / name / LAST, ApplicationRecord, "application")


def folder_digest(folder: Path) -> str:
    """Return the sha256 over the names and digests of all files below the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = (f"{path.relative_to(folder).as_posix()} {sha256_file(path)}\n" for path in files)
    return sha256_bytes("".join(lines).encode())


def _remove_old(parent: Path, current: str) -> None:
    others = [path for path in parent.iterdir() if path.is_dir() and path.name != current]
    newest_first = sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest_first[KEPT_FOLDERS - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
