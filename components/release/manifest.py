"""The manifest of a bundle: the sha256 and size of every file, and the rules for what a bundle may hold."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from components import io
from components.errors import ContractError, TamperedError

FORMAT = 1
MANIFEST = "manifest.json"
README = "README.md"  # the model card, which nothing executes
ALLOWED_SUFFIXES = (".json", ".parquet", ".safetensors", ".txt")  # formats that cannot execute code: no pickle


def write_manifest(folder: Path) -> str:
    """Write the manifest of the files in the folder; return its sha256, the digest of the bundle."""
    files = {
        name: {"sha256": io.sha256_file(folder / name), "bytes": (folder / name).stat().st_size}
        for name in list_files(folder)
    }
    text = canonical_json({"format": FORMAT, "files": files})
    io.write_text(folder / MANIFEST, text)
    return io.sha256_bytes(text.encode())


def check_files(folder: Path, digest: str | None = None) -> str:
    """Return the digest of a bundle after checking all files against its manifest; raises TamperedError.

    digest: the expected one; None accepts any.
    """
    actual, expected = _read(folder, digest)
    present = set(list_files(folder)) - {MANIFEST}
    if present != set(expected):
        missing, extra = sorted(set(expected) - present), sorted(present - set(expected))
        raise TamperedError(f"{folder.name}: files missing {missing}, files not in the manifest {extra}")
    for name, entry in expected.items():
        file = folder / name
        if file.stat().st_size != entry["bytes"] or io.sha256_file(file) != entry["sha256"]:
            raise TamperedError(
                f"{folder.name}/{name}: the bytes are not those of the manifest; fetch the bundle again"
            )
    return actual


def read_manifest(folder: Path, digest: str | None = None) -> dict[str, dict[str, Any]]:
    """Return relative path -> {"sha256", "bytes"} of a bundle's files, which may be missing; raises TamperedError.

    digest: the expected one of the manifest itself; None accepts any.
    """
    return _read(folder, digest)[1]


def list_files(folder: Path) -> Iterator[str]:
    """Yield the relative path of each file, in order; raises TamperedError for links, special files, unsafe names."""
    if folder.is_symlink():
        raise TamperedError(f"{folder.name}: a link where a folder was expected; refused")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise TamperedError(f"{folder.name}/{name}: a link or a special file; refused")
        if path.is_file():
            _check_name(name, folder.name)
            yield name


def canonical_json(content: Any) -> str:
    """Return the content as canonical JSON: equal content gives the same text."""
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _read(folder: Path, digest: str | None) -> tuple[str, dict[str, dict[str, Any]]]:
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise TamperedError(f"{folder.name}: {MANIFEST} is missing; this is no bundle, or a half written one")
    content = path.read_bytes()
    actual = io.sha256_bytes(content)
    if digest is not None and actual != digest:
        raise TamperedError(f"{folder.name}/{MANIFEST}: expected digest {digest}, got {actual}; fetch the bundle again")
    return actual, _parse_manifest(content, folder.name)


def _parse_manifest(content: bytes, where: str) -> dict[str, dict[str, Any]]:
    try:
        tree = json.loads(content)
        files = {str(name): {"sha256": str(e["sha256"]), "bytes": int(e["bytes"])} for name, e in tree["files"].items()}
        version = tree["format"]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TamperedError(f"{where}/{MANIFEST} is not a manifest ({error!r})") from None
    if version != FORMAT:
        raise ContractError(f"{where}: bundle format {version}, this code reads {FORMAT}; use the code of its revision")
    for name in files:
        _check_name(name, where)
    return files


def _check_name(name: str, where: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or str(path) != name:
        raise TamperedError(f"{where}: the name {name!r} leaves the bundle's folder; refused")
    if path.suffix not in ALLOWED_SUFFIXES and name != README:
        raise TamperedError(
            f"{where}/{name}: a bundle holds {README}, {', '.join(ALLOWED_SUFFIXES)} only; refused, nothing was loaded"
        )


def is_intact(folder: Path, digest: str) -> bool:
    """Return whether the folder holds the bundle with this digest, every byte of it."""
    try:
        return check_files(folder, digest) == digest
    except TamperedError:
        return False
