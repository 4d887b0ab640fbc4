"""dvc.lock is read, and a missing or damaged one is named."""

from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.release.dvc_lock import read_digest, read_outputs

TEXT = """
schema: '2.0'
stages:
  ingest:
    cmd: x
    outs: [{path: data/snapshot, md5: aa.dir}, {path: reports/ingest, md5: bb.dir}]
  split:
    cmd: y
    outs: [{path: data/split, md5: cc.dir}]
  notify: {cmd: z}
"""


def test_outputs_of_all_stages_and_of_one(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(TEXT)
    assert read_outputs(tmp_path) == {"data/snapshot": "aa.dir", "reports/ingest": "bb.dir", "data/split": "cc.dir"}
    assert read_outputs(tmp_path, "split") == {"data/split": "cc.dir"}
    assert read_outputs(tmp_path, "notify") == read_outputs(tmp_path, "none") == {}
    assert read_digest(tmp_path, "data/snapshot") == "aa.dir"


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"dvc\.lock is missing"):
        read_outputs(tmp_path)
    (tmp_path / "dvc.lock").write_text(TEXT)
    with pytest.raises(ReleaseError, match="names no output data/other"):
        read_digest(tmp_path, "data/other")
    (tmp_path / "dvc.lock").write_text("{half")
    with pytest.raises(ReleaseError, match="not YAML"):
        read_digest(tmp_path, "data/other")
