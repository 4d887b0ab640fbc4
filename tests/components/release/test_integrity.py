"""Files that were damaged or edited on disk, with their size and times as before, which is all that DVC looks at."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from components.errors import TamperedError
from components.release.integrity import check_inputs, check_outputs, damaged_files, damaged_inputs
from components.release.versioning import is_changed, reproduce_stage
from tests.components.release.tiny_repo import STAGES

READ = {"split": "data/snapshot/a.txt", "evaluate": "data/split/rows.txt", "package": "reports/evaluate/metrics.json"}


def flip(file: Path, at: int = 0) -> None:
    """Flip one bit of the file, keeping its size, times and inode."""
    before = file.stat()
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    with file.open("r+b") as opened:
        opened.write(content)
    file.chmod(before.st_mode)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def outputs(root: Path) -> list[str]:
    files = [p for out in ("data", "reports", "bundle") for p in (root / out).rglob("*") if p.is_file()]
    return sorted(file.relative_to(root).as_posix() for file in files)


def cached(root: Path, text: str) -> Path:
    (file,) = (p for p in (root / ".dvc/cache/files").rglob("*") if p.is_file() and p.read_text() == text)
    return file


def test_dvc_itself_does_not_see_the_damage(repo: Path) -> None:
    assert not is_changed(repo, "ingest")
    flip(repo / READ["split"])
    assert not is_changed(repo, "ingest")


def test_each_damaged_file_is_named(repo: Path) -> None:
    names = outputs(repo)
    assert len(names) >= 5
    for name in names:
        flip(repo / name)
        out = next(out for out in ("data/snapshot", "data/split", "reports/evaluate", "bundle") if name.startswith(out))
        with pytest.raises(TamperedError, match=f"^{name}: the bytes are not those that dvc.lock records"):
            check_outputs(repo, out)
        flip(repo / name)
        check_outputs(repo, out)


@pytest.mark.parametrize("stage", READ)
def test_a_stage_does_not_read_damaged_inputs_and_runs_after_they_are_restored(repo: Path, stage: str) -> None:
    before = {name: (repo / name).read_bytes() for name in outputs(repo)}
    flip(repo / READ[stage])
    with pytest.raises(TamperedError, match=f"^{READ[stage]}: "):
        check_inputs(repo, stage)
    (repo / "make.py").write_text((repo / "make.py").read_text() + "# changed\n")
    for name in STAGES[STAGES.index(stage) :]:
        assert reproduce_stage(repo, name, 60).ran
    assert {name: (repo / name).read_bytes() for name in outputs(repo)} == before


def test_other_stages_do_not_read_the_file(repo: Path) -> None:
    flip(repo / READ["split"])
    assert damaged_inputs(repo, "split") == {"data/snapshot": [READ["split"]]}
    assert damaged_inputs(repo, "evaluate") == {}
    assert damaged_inputs(repo, "ingest") == {}
    assert damaged_inputs(repo, "no such stage") == {}


def test_missing_and_added_files_are_named_and_a_lost_listing_names_the_folder(repo: Path) -> None:
    digest = {
        out["path"]: out["md5"] for out in yaml.safe_load((repo / "dvc.lock").read_text())["stages"]["ingest"]["outs"]
    }
    (repo / "data/snapshot/extra.txt").write_text("x")
    (repo / "data/snapshot/month=1/b.txt").unlink()
    expected = ["data/snapshot/extra.txt", "data/snapshot/month=1/b.txt"]
    assert damaged_files(repo, "data/snapshot", digest["data/snapshot"]) == expected
    shutil.rmtree(repo / ".dvc/cache/files")
    assert damaged_files(repo, "data/snapshot", digest["data/snapshot"]) == ["data/snapshot"]


def test_without_dvc_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    check_inputs(tmp_path, "split")
