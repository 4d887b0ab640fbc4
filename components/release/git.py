"""Calls of git."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from components.errors import ReleaseError
from components.io import temporary_folder

NOT_CODE = ("dvc.lock", "params.yaml", "reports/summary")  # written by runs; the registry stores them with each version


def git(root: Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Return git's output; raises ReleaseError with git's message. env: added to the environment."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    except FileNotFoundError:
        raise ReleaseError("git is not installed: versions are tagged with its revision; install git") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReleaseError(f"git {arguments[0]} in {root.name}: {error}") from None
    if done.returncode:
        raise ReleaseError(_failure(root, arguments[0], done.stderr.strip() or str(done.returncode)))
    return done.stdout.strip()


def _failure(root: Path, command: str, text: str) -> str:
    """Return what is wrong and what to do."""
    if "dubious ownership" in text:
        return (
            f"git refuses {root}: another user owns it; run `git config --global --add safe.directory {root}`, or "
            "change the owner"
        )
    if "not a git repository" in text:
        return (
            f"{root} is no git checkout (a downloaded archive is none), and versions are tagged with its revision: "
            "clone the repository, or run here `git init && git add --all && git commit -m start`"
        )
    if "argument 'HEAD'" in text:
        return f"{root} has no commit yet, and versions are tagged with one: run `git add --all && git commit -m start`"
    return f"git {command} failed: {text}"


def is_dirty(root: Path) -> bool:
    """Return whether the code differs from the revision: tracked files, and new files in components/ and flows/."""
    tracked = git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{n}" for n in NOT_CODE))
    new = git(root, "ls-files", "--others", "--exclude-standard", "--", "components", "flows")
    return bool(tracked or new)


def unchanged_files(root: Path) -> list[Path]:
    """Return the tracked files of a checkout that are as its revision has them; none where it is no checkout."""
    try:
        tracked, changed = (
            set(git(root, *command, "-z").split("\0")) for command in (("ls-files",), ("diff", "--name-only", "HEAD"))
        )
    except ReleaseError:
        return []
    return [root / name for name in sorted(tracked - changed) if name]


def clone(source: Path, folder: Path, revision: str | None) -> None:
    """Clone the source into folder, or update the clone there; check out the revision (HEAD by default)."""
    revision = git(source, "rev-parse", "--verify", f"{revision or 'HEAD'}^{{commit}}")
    if not (folder / ".git").exists():
        with temporary_folder(folder) as temporary:
            git(source, "clone", "--quiet", "--no-checkout", ".", str(temporary / "clone"))
            (temporary / "clone").replace(folder)
    git(folder, "fetch", "--quiet", "origin", revision)
    git(folder, "checkout", "--quiet", "--force", "--detach", revision)
