"""The folder of products' pictures: one of this machine, or one in an object store that fsspec knows, such as s3://.

Both have the same limits and rules. Address and keys of an object store come from the environment, as its client reads
them (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...). A product cannot choose another folder, let alone another address.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from components.errors import ContractError

MAX_BYTES = 20 * 2**20  # of a file
STORE = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
NEEDED = "install what fsspec needs for it, for s3:// `pip install 'carousel-mlops[servers]'`"


class BrokenPictureError(Exception):
    """A picture that is not taken; the message is the rule that it broke."""


class PictureFolder(Protocol):
    """What ingest reads pictures from."""

    @property
    def name(self) -> str:
        """Return data.pictures."""

    def check(self) -> None:
        """Raise ContractError where the folder does not exist, or cannot be reached."""

    def read(self, image: str) -> bytes:
        """Return the bytes of the file that a product names; raises BrokenPictureError."""

    def digest(self) -> str:
        """Return a digest of the states of all files: another one where a picture was added, changed or removed."""


def open_folder(pictures: str, root: Path) -> PictureFolder:
    """Return the folder data.pictures: an address such as s3://bucket/folder, or a path below root.

    Raises ContractError where the client of the object store is not installed.
    """
    if not STORE.match(pictures):
        return LocalFolder(pictures, root / pictures)
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    try:
        system, path = url_to_fs(pictures.rstrip("/"))
    except (ImportError, ValueError) as error:
        raise ContractError(f"data.pictures {pictures}: {error}; {NEEDED}") from None
    if isinstance(system, LocalFileSystem):  # file://: links are followed below it alone
        return LocalFolder(pictures, Path(path))
    return RemoteFolder(pictures.rstrip("/"), system, path)


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine."""

    name: str  # data.pictures
    path: Path

    def check(self) -> None:
        """Raise ContractError where there is no such folder."""
        if not self.path.is_dir():
            raise ContractError(f"data.pictures: expected a folder of pictures, found none at {self.path}")

    def read(self, image: str) -> bytes:
        """Return the bytes of a file below the folder."""
        root = self.path.resolve()
        try:
            path = (root / _without_address(image, self.name)).resolve()
            if not path.is_relative_to(root):
                raise BrokenPictureError("outside the folder of pictures")
            if not path.is_file():
                raise BrokenPictureError("no such file")
            if path.stat().st_size > MAX_BYTES:
                raise BrokenPictureError(f"more than {MAX_BYTES} bytes")
            return path.read_bytes()
        except (OSError, ValueError, RuntimeError):  # such as a name that is too long, a NUL in it, or a loop of links
            raise BrokenPictureError("cannot be read") from None

    def digest(self) -> str:
        """Return a digest of names, sizes and times."""
        files = ((path, path.stat()) for path in self.path.rglob("*") if path.is_file())
        return _digest((str(path.relative_to(self.path)), stat.st_size, stat.st_mtime_ns) for path, stat in files)


@dataclass(frozen=True)
class RemoteFolder:
    """A folder in an object store."""

    name: str  # data.pictures, without a slash at the end
    system: Any  # fsspec's access to the store
    path: str  # of the folder, as the store names it

    def check(self) -> None:
        """Raise ContractError where nothing is below the address, or the store does not answer."""
        try:
            exists = self.system.isdir(self.path)
        except Exception as error:  # each store has errors of its own
            raise ContractError(f"data.pictures {self.name} cannot be reached ({type(error).__name__})") from None
        if not exists:
            raise ContractError(f"data.pictures: expected a folder of pictures, found none at {self.name}")

    def read(self, image: str) -> bytes:
        """Return the bytes of an object below the folder; its size is checked before they are read, and while."""
        name = _without_address(image, self.name)
        if name.startswith("/") or ".." in name.split("/"):
            raise BrokenPictureError("outside the folder of pictures")
        path = f"{self.path}/{name}"
        try:
            found = self.system.info(path)
            if found["type"] != "file":
                raise BrokenPictureError("no such file")
            if (found["size"] or 0) > MAX_BYTES:
                raise BrokenPictureError(f"more than {MAX_BYTES} bytes")
            with self.system.open(path, "rb") as file:
                content: bytes = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise BrokenPictureError("no such file") from None
        except (OSError, ValueError, RuntimeError):
            raise BrokenPictureError("cannot be read") from None
        if len(content) > MAX_BYTES:
            raise BrokenPictureError(f"more than {MAX_BYTES} bytes")
        return content

    def digest(self) -> str:
        """Return a digest of names, sizes, and what the store says of versions and times."""
        found = self.system.find(self.path, detail=True)
        said = ("size", "ETag", "etag", "LastModified", "last_modified", "mtime", "created")
        return _digest((name, *(str(found[name].get(key)) for key in said)) for name in found)


def _without_address(image: str, folder: str) -> str:
    """Return the name below the folder, which a product may name in full; raises BrokenPictureError for others."""
    name = image.removeprefix(f"{folder.rstrip('/')}/") if STORE.match(folder) else image
    if ADDRESS.match(name):
        raise BrokenPictureError("an address; pictures are read from files below data.pictures")
    return name


def _digest(states: Iterable[tuple[str | int, ...]]) -> str:
    return hashlib.sha256(repr(sorted(states)).encode()).hexdigest()
