"""DVC's digests, computed from the bytes: DVC itself does not reread a file that it has just checked out."""

import json
from hashlib import md5
from pathlib import Path


def dvc_digest(path: Path) -> str:
    """Return DVC's md5 of a file or a folder (which ends in .dir), computed from the bytes."""
    if path.is_file():
        return file_md5(path)
    return md5(_listing(path), usedforsecurity=False).hexdigest() + ".dir"


def file_md5(path: Path) -> str:
    """Return the md5 of a file, DVC's name for it."""
    with path.open("rb") as file:
        digest = md5(usedforsecurity=False)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _listing(folder: Path) -> bytes:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    entries = [{"md5": file_md5(p), "relpath": p.relative_to(folder).as_posix()} for p in files]
    return json.dumps(sorted(entries, key=lambda e: e["relpath"]), sort_keys=True).encode()
