"""Cleaning of DVC's cache and remote: what stays can be restored, what is shared with others is left alone."""

import shutil
from pathlib import Path

import pytest

from components.release import versioning
from components.release.digests import dvc_digest
from components.release.dvc_store import clean_stores
from components.release.records import Cleaned
from components.release.versioning import make_workspace, reproduce_stage, restore
from tests.components.release.tiny_repo import PARAMS, copy, make_repo

STAGES = ("ingest", "split", "evaluate", "package")


def run_night(root: Path, rows: int) -> str:
    """Run all stages on other data, push; return the digest of the snapshot."""
    (root / "run/params.yaml").write_text(PARAMS.replace("rows: 3", f"rows: {rows}"))
    for stage in STAGES:
        reproduce_stage(root, stage, 60)
    versioning.push(root)
    return versioning.read_data_version(root)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a repository after three nights, and the digests of their snapshots."""
    root = make_repo(tmp_path_factory.mktemp("nights") / "repo")
    return root, [run_night(root, rows) for rows in (3, 4, 5)]


@pytest.fixture
def repo(nights: tuple[Path, list[str]], tmp_path: Path) -> Path:
    return copy(nights[0], tmp_path / "repo")


def texts(store: Path) -> set[str]:
    return {f.read_text() for f in (store / "files").rglob("*") if f.is_file() and not f.name.endswith(".dir")}


def clean(root: Path, snapshots: set[str], dry_run: bool = False) -> list[Cleaned]:
    return clean_stores(root, [], snapshots, [root], dry_run)


def put_back(root: Path, digest: str) -> None:
    lock = root / "dvc.lock"
    lock.write_text(lock.read_text().replace(versioning.read_data_version(root), digest))
    shutil.rmtree(root / "data/snapshot")
    restore(root, "data/snapshot")


def test_snapshots_of_versions_that_stay_and_the_last_run_can_be_restored(
    repo: Path, nights: tuple[Path, list[str]]
) -> None:
    first, second, third = nights[1]
    cache, remote = clean(repo, {first, third})
    assert "rows 3" in texts(repo / ".dvc/cache")
    assert "ROWS 3" not in texts(repo / ".dvc/cache")  # computed from the snapshot
    assert {"rows 5", "ROWS 5"} < texts(repo / ".dvc/cache")
    assert not {"rows 4", "ROWS 4"} & texts(repo / ".dvc/cache")
    assert texts(repo / ".carousel/remote") == {"rows 3", "rows 5", "more"}
    assert cache.count > remote.count > 0
    assert not [s for s in STAGES if versioning.is_changed(repo, s)]  # the last run is complete
    put_back(repo, first)
    assert (repo / "data/snapshot/a.txt").read_text() == "rows 3"
    shutil.rmtree(repo / ".dvc/cache/files")
    put_back(repo, first)
    assert second not in {dvc_digest(repo / "data/snapshot")}


def test_a_dry_run_says_the_same_and_removes_nothing(repo: Path, nights: tuple[Path, list[str]]) -> None:
    before = sorted(p for p in repo.rglob("*") if p.is_file() and ".dvc/tmp" not in str(p))
    planned = clean(repo, {nights[1][2]}, dry_run=True)
    assert sorted(p for p in repo.rglob("*") if p.is_file() and ".dvc/tmp" not in str(p)) == before
    assert clean(repo, {nights[1][2]}) == planned
    assert [use.count for use in clean(repo, {nights[1][2]})] == [0, 0]


def test_a_stage_whose_outputs_were_removed_runs_again(repo: Path, nights: tuple[Path, list[str]]) -> None:
    clean(repo, {nights[1][2]})
    assert run_night(repo, 3) == nights[1][0]
    assert {"rows 3", "ROWS 3"} < texts(repo / ".dvc/cache")
    assert "rows 3" in texts(repo / ".carousel/remote")


def test_outputs_of_a_workspace_stay(repo: Path, nights: tuple[Path, list[str]], tmp_path: Path) -> None:
    clone = make_workspace(repo, tmp_path / "workspace")
    (clone / "champion").mkdir(exist_ok=True)
    (clone / "champion/champion.json").write_text("null\n")
    (clone / "run").mkdir(exist_ok=True)
    run_night(clone, 4)
    clean_stores(repo, [clone], {nights[1][2]}, [repo], dry_run=False)
    assert {"rows 4", "ROWS 4", "rows 5", "ROWS 5"} < texts(repo / ".dvc/cache")
    assert "ROWS 3" not in texts(repo / ".dvc/cache")


@pytest.mark.parametrize("lock", [None, "{half", "schema: '2.0'\nstages: {}\n"])
def test_without_a_readable_lock_the_snapshots_stay(
    repo: Path, nights: tuple[Path, list[str]], lock: str | None
) -> None:
    (repo / "dvc.lock").unlink() if lock is None else (repo / "dvc.lock").write_text(lock)
    clean(repo, {nights[1][1]})
    assert texts(repo / ".dvc/cache") == {"rows 4", "more"}


def test_a_damaged_listing_is_read_from_the_remote(repo: Path, nights: tuple[Path, list[str]]) -> None:
    first = nights[1][0]
    listing = repo / ".dvc/cache/files/md5" / first[:2] / first[2:]
    listing.chmod(0o644)
    listing.write_text("[]")
    clean(repo, {first})
    assert "rows 3" in texts(repo / ".dvc/cache")


def test_a_store_outside_is_left_alone(repo: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shutil.move(repo / ".dvc/cache", shared)
    (repo / ".dvc/config.local").write_text(f"[cache]\n    dir = {shared}\n")
    before = texts(shared)
    cache, remote = clean(repo, set())
    assert "other projects" in cache.note
    assert texts(shared) == before
    assert remote.count > 0


def test_a_remote_in_a_bucket_is_left_alone(repo: Path) -> None:
    (repo / ".dvc/config.local").write_text("['remote \"local\"']\n    url = s3://bucket/carousel\n")
    assert [use.what for use in clean(repo, set())] == ["DVC cache"]


def test_the_remote_gets_what_cannot_be_computed_again(repo: Path) -> None:
    shutil.rmtree(repo / ".carousel/remote")
    assert versioning.push(repo) == 3  # two files and their listing
    contents = [file.read_text() for file in (repo / ".carousel/remote").rglob("*") if file.is_file()]
    assert {"rows 5", "more"} < set(contents)
    assert len(contents) == 3


def test_objects_that_were_removed_from_the_remote_are_pushed_again(repo: Path) -> None:
    with versioning.locked_stores(repo) as (cache, remote):
        assert cache == repo / ".dvc/cache"
        assert remote == repo / ".carousel/remote"
        shutil.rmtree(remote / "files")
    assert versioning.push(repo) == 3
