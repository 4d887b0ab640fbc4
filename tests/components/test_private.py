"""Files below the home folder are for their owner alone, whatever umask the process was started with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import ParamsError
from components.private import make_folder, private_opener, protect, restrict


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_what_exists_becomes_private_and_what_comes_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("shops/a/serving/state.db", "mlflow.db", "remote/files/x", "tool"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    (home / "tool").chmod(0o755)
    (tmp_path / "outside").touch()
    (home / "link").symlink_to(tmp_path / "outside")
    protect(home)
    assert [mode(home / name) for name in ("", "shops", "shops/a/serving", "remote")] == [0o700] * 4
    assert [mode(home / name) for name in ("shops/a/serving/state.db", "mlflow.db")] == [0o600] * 2
    assert mode(home / "tool") == 0o700
    assert mode(tmp_path / "outside") == 0o666
    (home / "new").mkdir()
    (home / "new/file").touch()
    subprocess.run([sys.executable, "-c", "open('child', 'w')"], cwd=home, check=True)
    assert (mode(home / "new"), mode(home / "new/file"), mode(home / "child")) == (0o700, 0o600, 0o600)


def test_a_group_may_be_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAROUSEL_UMASK", "007")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/old").touch()
    protect(tmp_path / "home")
    (tmp_path / "home/new").touch()
    assert (mode(tmp_path / "home"), mode(tmp_path / "home/old"), mode(tmp_path / "home/new")) == (0o770, 0o660, 0o660)


@pytest.mark.parametrize("text", ["rwx", "0777", "8", "", "777", "0o77"])
def test_a_wrong_umask_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CAROUSEL_UMASK", text)
    with pytest.raises(ParamsError, match="CAROUSEL_UMASK: expected octal digits"):
        protect(tmp_path)


def test_the_folder_of_the_stack_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "stack/database").mkdir(parents=True)
    tmp_path.chmod(0o755)
    protect(tmp_path)
    assert [mode(tmp_path / name) for name in ("", "stack", "stack/database")] == [0o701, 0o777, 0o777]


def test_single_files_and_folders(tmp_path: Path) -> None:
    make_folder(tmp_path / "a/b")
    assert mode(tmp_path / "a/b") == 0o700
    with open(tmp_path / "a/file", "w", opener=private_opener):
        assert mode(tmp_path / "a/file") == 0o600
    (tmp_path / "a/file").chmod(0o644)
    restrict(tmp_path / "a/file")
    assert mode(tmp_path / "a/file") == 0o600
    restrict(tmp_path / "absent")
