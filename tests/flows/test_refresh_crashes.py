"""A refresh that is killed by SIGKILL anywhere: the next one ends like an undisturbed one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts import Decision
from components.io import read_record
from components.release import warm
from components.release.champion import bundle_digest
from components.release.ledger import Ledger
from flows.workspace import open_workspace
from tests.flows.toy import stand_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
POINTS = [  # of every stage: tests/components/stages/test_crashes.py
    "ingest:after", "history:scored", "history:written", "evaluate:after",
    "register:run", "register:record", "register:bundle", "register:version",
    *(f"decide:{point}" for point in ("written", "attached", "recorded")),
    *(f"promote:{point}" for point in ("locked", "intent", "answered", "previous", "champion")),
]  # fmt: skip
CRASHER = """
import os, sys
from components.release import warm
from flows.workspace import quiet_environment
from pathlib import Path
quiet_environment(Path(os.environ["CAROUSEL_HOME"]))
warm.LIBRARIES = tuple(sys.argv[1].split(","))
from mlflow.tracking import MlflowClient
from flows.refresh import refresh
for point in sys.stdin.read().split():
    child = os.fork()
    if child == 0:
        os.environ["CRASH_AT"] = point
        code = 1
        try:
            refresh.fn(overrides=['data.as_of="2026-03-02T00:00:00+00:00"'])
            code = 0
        except Exception as error:
            print(point, error, file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    print(point, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def crash(points: list[str]) -> dict[str, int]:
    """Refresh once for each point, killed there; return the exit codes: -9, or 1 where a stage was killed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CRASHER, ",".join(warm.LIBRARIES)],
        input="\n".join(points), capture_output=True, text=True, check=True, env=os.environ,
    )  # fmt: skip
    return {name: int(code) for name, code in (line.split() for line in done.stdout.splitlines())}


def serving() -> tuple[str, list[tuple[str, str]]]:
    """Return the digest of the bundle that serves, and (state, digest) of the deployments that are not abandoned."""
    workspace = open_workspace([], [], None)
    version = workspace.registry().alias("champion")
    assert version is not None
    deployments = [d for d in Ledger(workspace.shop).deployments() if d.state != "abandoned"]
    assert deployments[-1].version == version.number
    return version.lineage.bundle_digest, [(d.state, d.digest) for d in deployments]


def test_a_refresh_killed_anywhere_ends_like_an_undisturbed_one(
    promoted: Path, first: tuple[Path, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.refresh import refresh

    def run() -> dict[str, object]:
        return dict(refresh.fn(overrides=['data.as_of="2026-03-02T00:00:00+00:00"']))

    assert run()["verdict"] == "refresh"
    straight, verdict = serving(), read_record(promoted / "reports/decision.json", Decision, "decision")
    twice = run()
    assert (twice["verdict"], twice["promoted"]) == ("keep", False)
    assert bundle_digest(promoted / "bundle") == straight[0]

    root = stand_in(first[0], tmp_path / "killed", monkeypatch)
    codes = crash(POINTS)
    assert codes == {point: 1 if point in ("ingest:after", "evaluate:after") else -9 for point in POINTS}
    last = run()
    assert (last["verdict"], last["promoted"]) == ("keep", False)  # the alias had moved: the recovery says so
    assert bundle_digest(root / "bundle") == straight[0]
    assert serving() == straight
    decision = read_record(root / "reports/decision.json", Decision, "decision")
    assert (decision.verdict, decision.gain, decision.challenger_digest) == (
        verdict.verdict, verdict.gain, verdict.challenger_digest,
    )  # fmt: skip
    assert json.loads((root / "champion/champion.json").read_bytes())["digest"] == straight[0]
