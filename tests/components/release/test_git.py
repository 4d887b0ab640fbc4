from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.release.git import git, is_dirty, unchanged_files
from tests.components.release.tiny_repo import call, commit


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    call(tmp_path, "git", "init", "--quiet")
    call(tmp_path, "git", "config", "user.email", "test@example.com")
    call(tmp_path, "git", "config", "user.name", "Test")
    for name in ("code.py", "dvc.lock", "params.yaml", "reports/summary/contest.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first")
    commit(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "dirty"),
    [
        ("code.py", True),
        ("components/new.py", True),
        ("flows/new.py", True),
        ("dvc.lock", False),
        ("params.yaml", False),
        ("reports/summary/contest.json", False),
        ("notes.txt", False),
    ],
)
def test_changes_of_code_make_a_checkout_dirty(repo: Path, name: str, dirty: bool) -> None:
    assert not is_dirty(repo)
    (repo / name).parent.mkdir(exist_ok=True)
    (repo / name).write_text("second")
    assert is_dirty(repo) is dirty


def test_errors_carry_the_message_of_git(repo: Path, tmp_path: Path) -> None:
    assert len(git(repo, "rev-parse", "HEAD")) == 40
    with pytest.raises(ReleaseError, match="unknown revision"):
        git(repo, "log", "nowhere")


def test_a_folder_without_git_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ReleaseError, match=r"is no git checkout \(a downloaded archive is none\).*git init"):
        git(tmp_path, "rev-parse", "HEAD")
    call(tmp_path, "git", "init", "--quiet")
    with pytest.raises(ReleaseError, match=r"has no commit yet.*git commit"):
        git(tmp_path, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReleaseError, match="install git"):
        git(tmp_path, "rev-parse", "HEAD")


def test_a_checkout_of_another_user_is_named_with_the_command_that_allows_it(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for this fault
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    with pytest.raises(
        ReleaseError, match=f"another user owns it; run `git config --global --add safe.directory {repo}`"
    ):
        git(repo, "rev-parse", "HEAD")


def test_unchanged_are_tracked_files_as_the_revision_has_them(
    repo: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (repo / "params.yaml").write_text("changed")
    (repo / "new.txt").write_text("new")
    expected = [repo / name for name in ("code.py", "dvc.lock", "reports/summary/contest.json")]
    assert unchanged_files(repo) == expected
    assert unchanged_files(tmp_path_factory.mktemp("no-repo")) == []
