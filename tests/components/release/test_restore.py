"""Outputs come back from DVC's cache or remote with the right bytes, or not at all."""

import shutil
from pathlib import Path

import pytest

from components.errors import TamperedError
from components.release.restore import restore, restore_inputs
from components.release.versioning import push, reproduce_stage
from tests.components.release.test_integrity import READ, cached, flip
from tests.components.release.test_versioning import cache_file, damage


@pytest.mark.parametrize("state", ["as it was", "gone", "changed here"])
def test_restore_from_the_cache(repo: Path, state: str) -> None:
    if state == "gone":
        shutil.rmtree(repo / "data/snapshot")
    elif state == "changed here":
        (repo / "data/snapshot/a.txt").write_text("something else")
    restore(repo, "data/snapshot")
    assert (repo / "data/snapshot/a.txt").read_text() == "rows 3"


def test_restore_pulls_files_that_are_missing_or_damaged_in_the_cache(repo: Path) -> None:
    assert push(repo) > 0
    shutil.rmtree(repo / "data/snapshot")
    damage(cache_file(repo, "rows 3"))
    restore(repo, "data/snapshot")
    assert (repo / "data/snapshot/a.txt").read_text() == "rows 3"
    shutil.rmtree(repo / "data/snapshot")
    shutil.rmtree(repo / ".dvc/cache/files")
    restore(repo, "data/snapshot")
    assert (repo / "data/snapshot/month=1/b.txt").read_text() == "more"


def test_restore_fails_when_neither_cache_nor_remote_has_the_bytes(repo: Path) -> None:
    push(repo)
    shutil.rmtree(repo / "data/snapshot")
    for file in (cache_file(repo, "rows 3"), *(repo / ".carousel/remote").rglob("*")):
        if file.is_file() and file.read_text() == "rows 3":
            damage(file)
    with pytest.raises(TamperedError, match=r"data/snapshot: .*a\.txt"):
        restore(repo, "data/snapshot")
    assert not (repo / "data/snapshot").exists()


@pytest.mark.parametrize("pushed", [True, False])
def test_a_file_that_is_damaged_in_the_cache_too_comes_from_the_remote_or_is_an_error(repo: Path, pushed: bool) -> None:
    if pushed:
        push(repo)
    flip(cached(repo, "rows 3"))
    flip(repo / READ["split"])
    if pushed:
        assert restore_inputs(repo, "split") == ["data/snapshot"]
        assert (repo / READ["split"]).read_text() == "rows 3"
        return
    with pytest.raises(TamperedError, match=r"data/snapshot: .*carousel retrain"):
        restore_inputs(repo, "split")
    assert reproduce_stage(repo, "ingest", 60).ran  # as the message says
    assert (repo / READ["split"]).read_text() == "rows 3"


def test_an_intact_cache_restores_without_a_remote(repo: Path) -> None:
    config = repo / ".dvc/config"
    config.write_text("[core]\n    analytics = false\n")
    flip(repo / READ["evaluate"])
    restore(repo, "data/split")
    assert (repo / READ["evaluate"]).read_text() == "ROWS 3"
