"""Private files: what is below the home folder is for its owner alone, whatever umask the process was started with.

CAROUSEL_UMASK allows more: 027 lets the owner's group read, 007 lets it write, too.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from components.settings import private_umask

LARGE = (
    "dvc",
    "embeddings",
    "remote",
    "workspaces",
)  # many files; the folder itself, and the home folder, keep others out
STACK = "stack"  # of infra/stack.sh, which sets its rights: PostgreSQL runs there as a user of its own


def protect(home: Path) -> None:
    """Make the home folder; from now on this process and its children write private files, and existing ones become so.

    Files of other users stay as they are. Raises ParamsError for a wrong CAROUSEL_UMASK.
    """
    os.umask(private_umask())
    home.mkdir(parents=True, exist_ok=True)
    for path in _walk(home):
        restrict(path)
    if (home / STACK).is_dir():
        home.chmod(home.stat().st_mode | stat.S_IXOTH)  # passes through; it cannot list the folder


def make_folder(folder: Path) -> None:
    """Make the folder and its parents where they are missing; the folder becomes private."""
    folder.mkdir(mode=0o777 & ~private_umask(), parents=True, exist_ok=True)
    restrict(folder)


def private_opener(path: str, flags: int) -> int:
    """Open a file, for `open(..., opener=private_opener)`: one that is made here is private from its first byte."""
    return os.open(path, flags, 0o666 & ~private_umask())


def restrict(path: Path) -> None:
    """Take from the file or folder the rights that CAROUSEL_UMASK does not allow; nothing where it is not ours."""
    with suppress(FileNotFoundError, PermissionError):
        mode = path.stat(follow_symlinks=False).st_mode
        if mode & private_umask() and not path.is_symlink():
            path.chmod(mode & 0o7777 & ~private_umask())


def _walk(home: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(home):
        if Path(folder) == home:
            yield from (home / name for name in folders if name in LARGE)
            folders[:] = [name for name in folders if name not in (*LARGE, STACK)]
        yield Path(folder)
        yield from (Path(folder) / name for name in files)
