"""A real git and DVC repository with four tiny stages, for the tests of versioning and reproduce."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

STAGES = ("ingest", "split", "evaluate", "package")
MAKE = """
import json, os, pathlib, signal, sys, time, yaml
from components.errors import CarouselError
from components.release.integrity import check_inputs
stage = sys.argv[1]
try:
    check_inputs(pathlib.Path(), stage)
except CarouselError as error:
    sys.exit(f"{stage}: {error}")
params = yaml.safe_load(open("run/params.yaml"))
def write(path, text):
    path = pathlib.Path(path); path.parent.mkdir(parents=True, exist_ok=True); path.write_text(text)
if os.environ.get("CRASH_AT") == stage:
    write({"ingest": "data/snapshot/a.txt", "split": "data/split/rows.txt"}[stage], "half")
    os.kill(os.getpid(), signal.SIGKILL)
if os.environ.get("FAIL_AT") == stage:
    sys.exit(f"{stage}: expected 3 rows, came 2")
time.sleep(float(os.environ.get("SLEEP_S", 0)))
write(f"run/started/{stage}", "")
while "WAIT_FOR" in os.environ and not pathlib.Path(os.environ["WAIT_FOR"]).exists():
    time.sleep(0.05)
if stage == "ingest":
    write("data/snapshot/a.txt", "rows " + str(params["rows"])); write("data/snapshot/month=1/b.txt", "more")
elif stage == "split":
    write("data/split/rows.txt", open("data/snapshot/a.txt").read().upper())
    if "UNFINISHED" in os.environ:
        mark = {"model": "split", "limit": "limit", "minutes": 1, "step": 1, "steps": 2}
        write("data/split/unfinished.json", json.dumps(mark))
elif stage == "evaluate":
    text = open("data/split/rows.txt").read()
    champion = open("champion/champion.json").read()
    score = len(text) + params["knob"] + (0.5 if champion.strip() != "null" else 0)
    write("reports/evaluate/metrics.json", json.dumps({"test/ease/ndcg_at_10": score / 7}))
    write("reports/evaluate/evaluation.json", os.environ.get("EVALUATION", "{}"))
elif stage == "package":
    write("bundle/manifest.json", open("reports/evaluate/metrics.json").read())
write(f"run/timings/{stage}.json", '{"work_s": 0.25}')
"""
DVC = """
stages:
  resolve:
    cmd: python -c pass
    always_changed: true
    outs:
      - run/params.yaml: {cache: false}
      - champion: {cache: false, persist: true}
  package:
    cmd: python make.py package
    deps: [reports/evaluate, make.py]
    outs: [bundle]
  ingest:
    cmd: python make.py ingest
    params: [run/params.yaml: [rows]]
    deps: [make.py]
    outs: [data/snapshot]
  split:
    cmd: python make.py split
    deps: [data/snapshot, make.py]
    outs: [data/split]
  evaluate:
    cmd: python make.py evaluate
    params: [run/params.yaml: [knob]]
    deps: [data/split, champion, make.py]
    outs: [reports/evaluate]
"""
PARAMS = "rows: 3\nknob: 1\nflows: {stage_timeout_s: 60}\n"


def make_repo(root: Path) -> Path:
    """Make the repository, nothing run yet."""
    root.mkdir(parents=True)
    (root / "make.py").write_text(MAKE)
    (root / "dvc.yaml").write_text(DVC)
    (root / ".gitignore").write_text("/data/\n/reports/\n/run/\n/champion/\n/bundle/\n/.carousel/\n__pycache__\n")
    call(root, "git", "init", "--quiet", "--initial-branch=main")
    call(root, "git", "config", "user.email", "test@example.com")
    call(root, "git", "config", "user.name", "Test")
    call(root, sys.executable, "-m", "dvc", "init", "--quiet")
    with (root / ".dvc/config").open("a") as config:
        config.write("[core]\n    analytics = false\n    remote = local\n")
        config.write("['remote \"local\"']\n    url = ../.carousel/remote\n")
    (root / "run").mkdir()
    (root / "run/params.yaml").write_text(PARAMS)
    (root / "champion").mkdir()
    (root / "champion/champion.json").write_text("null\n")
    commit(root)
    return root


def commit(root: Path) -> None:
    call(root, "git", "add", "--all")
    call(root, "git", "commit", "--quiet", "--message", "change")


def call(root: Path, *command: str) -> str:
    env = os.environ | {"DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, env=env).stdout


def copy(repo: Path, folder: Path) -> Path:
    return Path(shutil.copytree(repo, folder, symlinks=True))
