"""DVC's repository is opened under its lock; its errors become those of Carousel."""

from pathlib import Path

import pytest

from components.errors import BusyError, ReleaseError
from components.release import versioning
from components.release.dvc_repository import open_repository
from components.release.versioning import stage_order
from tests.components.release.tiny_repo import make_repo


def test_a_second_process_is_busy_until_the_lock_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dvc.lock

    monkeypatch.setattr(dvc.lock, "DEFAULT_TIMEOUT", 0)  # seconds
    root = make_repo(tmp_path / "repo")
    with (
        open_repository(root),
        pytest.raises(BusyError, match="another process holds DVC's lock"),
        open_repository(root),
    ):
        pass
    with open_repository(root) as again:
        assert Path(again.root_dir) == root


def test_a_folder_without_a_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError):
        stage_order(tmp_path)
    with pytest.raises(ReleaseError, match="git checkout"):
        versioning.read_lineage(tmp_path, "b", "2026", "ease")
