"""infra/ui.sh, unchanged, on a toy checkout: form, schedules and drift start runs that end in a verdict."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from flows.outcome import STATES
from tests.flows.toy import ROOT, TOY_LIBRARIES, call, stand_in

FEW = ["refresh.min_users=1"]  # the toy shop has few users
VERDICTS = set(STATES.values())
WAIT_S = 420
Ask = Callable[..., Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def ask(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Start the script; return a function that calls Prefect's API. Afterwards check that all processes ended."""
    root = stand_in(fresh, tmp_path / "shop", monkeypatch)
    for name in ("flows", "infra"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (root / "flows/__init__.py").open("a") as package:  # the libraries of the real stages take long to import
        package.write(f"\nfrom components.release import warm\n\nwarm.LIBRARIES = {TOY_LIBRARIES}\n")
    shutil.copyfile(ROOT / "prefect.yaml", root / "prefect.yaml")
    call(root, "git", "add", "--all")
    call(root, "git", "commit", "--quiet", "--message", "flows")
    port = free_port()
    monkeypatch.setenv("CAROUSEL_PREFECT_PORT", str(port))
    monkeypatch.setenv("CAROUSEL_MLFLOW_PORT", str(free_port()))
    monkeypatch.setenv("CAROUSEL_MLFLOW_UI", "0")
    monkeypatch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", "5")
    monkeypatch.setenv("CAROUSEL_BIN", str(Path(sys.executable).parent))
    script = subprocess.Popen(["infra/ui.sh"], cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert script.stdout
    try:
        lines = list(takewhile(lambda line: "Ctrl-C" not in line, script.stdout))  # to its end, where a server fails
        assert script.poll() is None, lines
        yield lambda path, content=None: asked(f"http://127.0.0.1:{port}/api{path}", content)
    finally:
        script.send_signal(signal.SIGTERM)
        script.wait(60)
        script.stdout.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def asked(url: str, content: Any) -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:  # Prefect answers 503 while its database is locked
                raise
            time.sleep(1)


def completed_state(ask: Ask, deployment: str, created: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until a run of the deployment that `created` picks is over; return it."""
    deadline = time.monotonic() + WAIT_S
    seen: list[tuple[str, str]] = []
    while time.monotonic() < deadline:
        runs = [r for r in ask("/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}}) if created(r)]
        seen = [(r["state_name"], (r["state"]["message"] or "")[:300]) for r in runs]
        for run in runs:
            if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED"):
                return dict(run)
        time.sleep(2)
    raise AssertionError(f"no run ended within {WAIT_S} s: {seen}")


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_form_schedules_and_drift_each_end_in_a_verdict(ask: Ask) -> None:
    """A form, a nightly refresh, a weekly retrain; drift leads to a refresh and, by the next check, to a retrain."""
    names = ("retrain/manual", "refresh/nightly", "retrain/weekly", "monitor/monitor")
    manual, nightly, weekly, watch = (ask(f"/deployments/name/{name}")["id"] for name in names)

    form = {"parameters": {"max_epochs": 14, "bootstrap": True}, "state": {"type": "SCHEDULED"}}
    first = ask(f"/deployments/{manual}/create_flow_run", form)["id"]
    run = completed_state(ask, manual, lambda r: r["id"] == first)
    assert (run["state_name"], run["parameters"]["max_epochs"]) == ("Promoted", 14), run["state"]

    for deployment in (nightly, weekly):
        soon = (datetime.now(UTC) + timedelta(seconds=40)).isoformat()
        schedule = {"interval": 86400, "anchor_date": soon, "timezone": "UTC"}
        ask(f"/deployments/{deployment}/schedules", [{"active": True, "schedule": schedule}])
        run = completed_state(ask, deployment, lambda r: r["auto_scheduled"] and r["state_type"] != "SCHEDULED")
        assert run["state_name"] in VERDICTS, run["state"]

    def check(wanted: str) -> None:
        """Start a check in the night of March 10, which finds drift since then."""
        parameters = {"as_of": "2026-03-10T00:00:00Z", "overrides": ["drift.max_distance=0.01", *FEW]}
        looked = ask(
            f"/deployments/{watch}/create_flow_run", {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        )
        run = completed_state(ask, watch, lambda r: r["id"] == looked["id"])
        assert run["state_name"] == wanted, run["state"]

    for wanted, deployment, started in (("RefreshWanted", nightly, "refresh"), ("RetrainWanted", manual, "retrain")):
        check(wanted)
        run = completed_state(
            ask, deployment, lambda r: str(r["parameters"].get("as_of") or "").startswith("2026-03-10")
        )
        assert run["state_name"] in VERDICTS, (started, run["state"])
    check("Completed")  # the retrain has answered the drift


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_from_the_command_line_beside_it_is_not_marked_as_crashed(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stage takes longer than the two minutes after which a silent run counts as crashed."""
    monkeypatch.setenv("SLEEP_S", "170")
    command = [sys.executable, "-m", "flows.cli", "retrain", "--bootstrap", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, 2), done.stderr
    found = ask("/flow_runs/filter", {"flows": {"name": {"any_": ["retrain"]}}})
    (run,) = [run for run in found if run["deployment_id"] is None]
    assert run["total_run_time"] > 130
    states = [state["name"] for state in ask(f"/flow_run_states/?flow_run_id={run['id']}")]
    assert "Crashed" not in states
    assert states[-1] in VERDICTS
