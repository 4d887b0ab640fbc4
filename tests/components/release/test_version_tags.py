"""The Git tag of a version: its files, the same everywhere, and refusals."""

import shutil
from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.release.git import git
from components.release.registry import Registry
from components.release.version_tags import tag_version
from tests.components.release.support import lineage_of, register_in
from tests.components.release.tiny_repo import call, commit


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    call(root, "git", "init", "--quiet", "--initial-branch=main")
    call(root, "git", "config", "user.email", "test@example.com")
    call(root, "git", "config", "user.name", "Test")
    (root / ".gitignore").write_text("/run/\n")
    (root / "code.py").write_text("first")
    commit(root)
    return root


@pytest.fixture
def number(registry: Registry, bundle: Path, run_folder: Path, repo: Path) -> int:
    """Return a version that was made at the revision of the repository."""
    (run_folder / "reports/summary").mkdir()
    (run_folder / "reports/summary/contest.json").write_text('{"ease": 0.25}')
    return register_in(registry, bundle, run_folder, revision=git(repo, "rev-parse", "HEAD"))


def test_the_tag_holds_what_the_run_wrote_and_changes_no_branch(
    registry: Registry, number: int, repo: Path, run_folder: Path
) -> None:
    before = git(repo, "rev-parse", "HEAD")
    assert tag_version(repo, registry, number) == "carousel/v1"
    assert git(repo, "ls-tree", "-r", "--name-only", "carousel/v1").splitlines() == [
        ".gitignore", "code.py", "dvc.lock", "reports/summary/contest.json", "run/params.yaml",
    ]  # fmt: skip
    shown = call(repo, "git", "show", "carousel/v1:run/params.yaml")
    assert shown == (run_folder / "run/params.yaml").read_text()
    assert git(repo, "rev-parse", "carousel/v1~1") == git(repo, "rev-parse", "HEAD") == before
    assert git(repo, "status", "--porcelain") == ""
    assert tag_version(repo, registry, number) == "carousel/v1"


def test_another_clone_makes_the_same_commit(registry: Registry, number: int, repo: Path, tmp_path: Path) -> None:
    tag_version(repo, registry, number)
    other = Path(shutil.copytree(repo, tmp_path / "other"))
    call(other, "git", "tag", "--delete", "carousel/v1")
    tag_version(other, registry, number)
    assert git(other, "rev-parse", "carousel/v1") == git(repo, "rev-parse", "carousel/v1")


def test_a_tag_of_another_registry_is_not_taken_for_the_versions(registry: Registry, number: int, repo: Path) -> None:
    git(repo, "tag", "carousel/v1")
    with pytest.raises(ReleaseError, match="tag carousel/v1 is of another bundle than version 1"):
        tag_version(repo, registry, number)


def test_a_revision_that_the_clone_lacks_is_named(
    registry: Registry, repo: Path, bundle: Path, run_folder: Path
) -> None:
    assert lineage_of(bundle).git_revision == "0" * 40
    number = register_in(registry, bundle, run_folder)
    with pytest.raises(ReleaseError, match="made at revision 000000000000, which this clone lacks: `git fetch` it"):
        tag_version(repo, registry, number)
    with pytest.raises(ReleaseError, match="version 9"):
        tag_version(repo, registry, 9)
