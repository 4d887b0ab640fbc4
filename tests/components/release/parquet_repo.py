"""The tiny repository with snapshots of events in Parquet, and a split that names the users, for tests of deletions."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from components.release import versioning
from components.release.versioning import reproduce_stage
from tests.components.data.small import write_snapshot
from tests.components.release.tiny_repo import MAKE, PARAMS, commit, make_repo

SNAPSHOT = 'write("data/snapshot/a.txt", "rows " + str(params["rows"])); write("data/snapshot/month=1/b.txt", "more")'
COPY = """import shutil; shutil.copytree("source", "data/snapshot", dirs_exist_ok=True)"""
SPLIT = 'write("data/split/rows.txt", open("data/snapshot/a.txt").read().upper())'
USERS = """import pyarrow.parquet as pq; paths = sorted(pathlib.Path("data/snapshot/events").rglob("*.parquet"))
    users = [str(user) for path in paths for user in pq.ParquetFile(path).read()["user_id"].to_pylist()]
    write("data/split/rows.txt", "\\n".join(users))"""


def make_parquet_repo(root: Path) -> Path:
    """Make the repository, nothing run yet."""
    make_repo(root)
    text = MAKE.replace(SNAPSHOT, COPY).replace(SPLIT, USERS)
    assert text.count(COPY) == text.count(USERS) == 1
    (root / "make.py").write_text(text)
    with (root / ".gitignore").open("a") as ignored:
        ignored.write("/source/\n")
    commit(root)
    return root


def run_night(root: Path, events: Sequence[tuple[str | None, str, str, str]], stages: Sequence[str]) -> str:
    """Take a snapshot of these events, run the stages, push; return the digest of the snapshot."""
    shutil.rmtree(root / "source", ignore_errors=True)
    write_snapshot(root / "source", list(events), ["i1", "i2", "i3"])
    (root / "run/params.yaml").write_text(PARAMS.replace("rows: 3", f"rows: {len(events)}"))
    for stage in stages:
        reproduce_stage(root, stage, 120)
    versioning.push(root)
    return versioning.read_data_version(root)
