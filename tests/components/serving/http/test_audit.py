"""The audit log: bounded in size and number of files, complete over processes, private, and not filled by refusals."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.serving.http import audit as module
from components.serving.http.audit import AuditLog
from tests.components.serving.support import ROOT

WRITER = """
import sys
from pathlib import Path
from components.serving.http.audit import AuditLog
log = AuditLog(Path(sys.argv[1]), max_bytes=2000, n_older=1000)
for n in range(200):
    log.write(f"{sys.argv[2]}-{n}", "allowed")
"""


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for file in folder.glob("audit.jsonl*") for line in file.read_text().splitlines()]


def test_files_are_bounded_and_the_newest_lines_stay(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "shop/audit.jsonl", max_bytes=1000, n_older=2)
    for n in range(200):
        log.write(f"/admin/{n}", "allowed", "r")
    names = sorted(file.name for file in (tmp_path / "shop").iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2", "audit.lock"]
    assert all(file.stat().st_size <= 1000 for file in (tmp_path / "shop").iterdir())
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "shop").iterdir()} == {0o600}
    numbers = sorted(int(line["what"].split("/")[2]) for line in lines(tmp_path / "shop"))
    assert numbers == list(range(200 - len(numbers), 200))
    assert len(numbers) > 20


def test_processes_that_rotate_at_the_same_time_lose_no_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "audit.jsonl")]
    writers = [subprocess.Popen([*command, f"w{n}"], cwd=ROOT, stderr=subprocess.DEVNULL) for n in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert sorted(line["what"] for line in lines(tmp_path)) == sorted(f"w{w}-{n}" for w in range(3) for n in range(200))


def test_slowed_refusals_are_summed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    log = AuditLog(tmp_path / "audit.jsonl")
    for n in range(600):
        now[0] += 0.2
        log.write_slowed("/admin/reload", f"r{n}")
    found = lines(tmp_path)
    assert [line.get("calls", 1) for line in found] == [1, 300]  # 120 s: at once, then after a minute
    assert {line["outcome"] for line in found} == {"refused"}


def test_old_lines_are_removed_and_new_ones_stay(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    log = AuditLog(file)
    old = [json.dumps({"time": time, "what": "/admin/reload"}) + "\n" for time in (10.0, 20.0)]
    file.with_name("audit.jsonl.1").write_text(old[0])
    file.write_text(old[1])
    log.write("/admin/reload", "allowed")
    before = datetime.fromtimestamp(30, UTC)
    assert log.remove_before(before, dry_run=True) == sum(map(len, old))
    assert file.with_name("audit.jsonl.1").exists()
    assert log.remove_before(before, dry_run=False) == sum(map(len, old))
    assert not file.with_name("audit.jsonl.1").exists()
    assert [json.loads(line)["outcome"] for line in file.read_text().splitlines()] == ["allowed"]
    assert log.remove_before(before, dry_run=False) == 0
    assert AuditLog(tmp_path / "none.jsonl").remove_before(before, dry_run=False) == 0
