"""Forgotten users are removed from all snapshots of cache, remote and workspace, and what was made from these goes."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.data.partitions import read_table
from components.data.snapshot import read_snapshot_info
from components.release import versioning
from components.release.digests import dvc_digest
from components.release.erase_versions import current_digest, erase_versions, find_objects, find_unnamed
from components.release.traces import Needles, search
from components.release.versioning import make_workspace, restore
from components.tombstones import Forgotten, tombstone
from tests.components.release.parquet_repo import make_parquet_repo, run_night
from tests.components.release.tiny_repo import copy

KEY, USER, OTHER = b"k" * 32, "user-q7x9", "user-b111"
FORGOTTEN = Forgotten(KEY, {tombstone(USER, KEY): 1})
NEEDLES, OTHERS = Needles.of([USER]), Needles.of([OTHER])
STAGES = ("ingest", "split", "evaluate", "package")
WITHOUT = [(OTHER, "i1", "2026-01-01", "view"), (None, "i2", "2026-01-02", "view")]
FIRST = [*WITHOUT, (USER, "i1", "2026-01-03", "view")]
SECOND = [*FIRST, (USER, "i3", "2026-01-04", "purchase"), (OTHER, "i3", "2026-01-05", "view")]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a repository after three nights, the first without the user, and the digests of their snapshots."""
    root = make_parquet_repo(tmp_path_factory.mktemp("nights") / "repo")
    return root, [run_night(root, events, STAGES) for events in (WITHOUT, FIRST, SECOND)]


@pytest.fixture
def repo(nights: tuple[Path, list[str]], tmp_path: Path) -> Path:
    return copy(nights[0], tmp_path / "repo")


def erase(repo: Path, *workspaces: Path) -> dict[str, str]:
    (repo / ".carousel").mkdir(exist_ok=True)
    return erase_versions(repo, repo / ".carousel", [repo, *workspaces], FORGOTTEN).snapshots


def hits_of(repo: Path, needles: Needles) -> dict[str, int]:
    folders = {"cache": ".dvc/cache", "remote": ".carousel/remote", "data": "data"}
    return {name: len(search(name, repo / folder, needles).found) for name, folder in folders.items()}


def test_no_snapshot_and_nothing_made_from_one_holds_the_user(repo: Path, nights: tuple[Path, list[str]]) -> None:
    assert all(hits_of(repo, NEEDLES).values())
    without, first, second = nights[1]
    rewritten = erase(repo)
    assert set(rewritten) == {first, second}
    assert hits_of(repo, NEEDLES) == {"cache": 0, "remote": 0, "data": 0}
    assert all(hits_of(repo, OTHERS).values())
    home = repo / ".carousel"
    assert current_digest(home, second) == dvc_digest(repo / "data/snapshot") == versioning.read_data_version(repo)
    assert current_digest(home, without) == without
    assert not (repo / "data/split").exists()
    assert (repo / "data/snapshot").is_dir()


def test_each_snapshot_can_be_restored_without_the_user(repo: Path, nights: tuple[Path, list[str]]) -> None:
    rewritten = erase(repo)
    for store in (".dvc/cache/files", None):  # at last from the remote alone
        for old, rows in zip(nights[1], (2, 2, 3), strict=True):
            now = current_digest(repo / ".carousel", old)
            lock = repo / "dvc.lock"
            lock.write_text(lock.read_text().replace(versioning.read_data_version(repo), now))
            shutil.rmtree(repo / "data/snapshot")
            restore(repo, "data/snapshot")
            assert dvc_digest(repo / "data/snapshot") == now
            events = read_table(repo / "data/snapshot", "events", ["user_id"])
            assert events.num_rows == rows
            assert USER not in events["user_id"].to_pylist()
        if store:
            shutil.rmtree(repo / store)
    assert read_snapshot_info(repo / "data/snapshot").counts == {}  # written by hand: nothing was counted
    assert rewritten


def test_the_stages_after_the_snapshot_run_again_and_only_they(repo: Path) -> None:
    erase(repo)
    assert not versioning.is_changed(repo, "ingest")
    for stage in STAGES:
        versioning.reproduce_stage(repo, stage, 120)
    assert (repo / "data/split/rows.txt").read_text().count(USER) == 0
    assert (repo / "bundle/manifest.json").exists()
    assert hits_of(repo, NEEDLES) == {"cache": 0, "remote": 0, "data": 0}


def test_a_second_call_finds_nothing_and_a_killed_one_is_completed(
    repo: Path,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.release.erase_versions._remove", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase(repo)
    assert hits_of(repo, NEEDLES)["cache"]
    erase(repo)
    assert hits_of(repo, NEEDLES) == {"cache": 0, "remote": 0, "data": 0}
    before = {path: path.stat().st_mtime_ns for path in (repo / ".dvc/cache/files").rglob("*")}
    assert erase(repo) == {}
    assert {path: path.stat().st_mtime_ns for path in (repo / ".dvc/cache/files").rglob("*")} == before


def test_workspaces_of_deployed_runs_are_cleaned(repo: Path, tmp_path: Path) -> None:
    clone = make_workspace(repo, tmp_path / "workspace")
    shutil.copy(repo / "dvc.lock", clone / "dvc.lock")
    shutil.copytree(repo / "data", clone / "data")
    erase(repo, clone)
    assert not search("clone", clone, NEEDLES, [clone / ".git"]).found
    assert pq.read_table(next((clone / "data/snapshot/events").rglob("*.parquet"))).num_rows == 3
    assert not (clone / "data/split").exists()


def test_where_nobody_is_found_nothing_changes(repo: Path) -> None:
    (repo / ".carousel").mkdir(exist_ok=True)
    done = erase_versions(repo, repo / ".carousel", [repo], Forgotten(KEY, {tombstone("user-else", KEY): 1}))
    assert (done.snapshots, done.n_objects, done.n_outputs, done.rows.total()) == ({}, 0, 0, 0)
    assert (repo / "data/split").exists()


def test_a_snapshot_of_another_shop_stays_though_it_has_a_user_of_that_id(
    repo: Path, nights: tuple[Path, list[str]]
) -> None:
    _, first, second = nights[1]
    (repo / ".carousel").mkdir(exist_ok=True)
    done = erase_versions(repo, repo / ".carousel", [], FORGOTTEN, {second})
    assert set(done.snapshots) == {first}
    shutil.rmtree(repo / "data/snapshot")
    restore(repo, "data/snapshot")
    assert dvc_digest(repo / "data/snapshot") == second
    assert find_objects(repo / ".dvc/cache", {second})


def test_objects_that_nothing_names_are_found(repo: Path) -> None:
    lost = repo / ".dvc/cache/files/md5/ab/cdef0123456789"
    lost.parent.mkdir(exist_ok=True)
    lost.write_text(USER)
    assert find_unnamed(repo / ".dvc/cache") == {lost}
