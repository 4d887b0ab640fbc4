"""Opens DVC's repository; with versioning.py and dvc_repro.py the only code that imports DVC."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.errors import BusyError, ReleaseError


@contextmanager
def open_repository(root: Path) -> Iterator[Any]:
    """Yield DVC's repository at root under its lock; translate DVC's errors."""
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo, lock_repo

    try:
        with Repo(str(root)) as repo, lock_repo(repo):
            yield repo
    except LockError:
        raise BusyError(
            f"{root.name}: another process holds DVC's lock; wait for it, or look for `dvc` in the process list"
        ) from None
    except DvcException as error:
        raise ReleaseError(f"DVC: {error}") from error
