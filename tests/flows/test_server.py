"""The temporary server: it answers, ends with the run even after kill -9, and its absence is no fault."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from flows import server


def test_an_unreachable_foreign_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = [0.0]
    fake = SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda s: clock.append(clock.pop() + s))
    monkeypatch.setattr(server, "time", fake)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with server.temporary_server(tmp_path) as ready:
        assert not ready()
    assert server.FOREIGN_START_S <= clock[0] < server.FOREIGN_START_S + 1
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:9/api"
    assert not list(tmp_path.iterdir())


def test_a_server_that_cannot_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(server, "_start", lambda port, output: subprocess.Popen([sys.executable, "-c", "1"]))
    monkeypatch.setattr(server, "START_S", 3600.0)  # no wait: its process has ended
    with server.temporary_server(tmp_path) as ready:
        assert not ready()
    assert "PREFECT_API_URL" not in os.environ


NO_TABLES = {  # to make them takes longer than all else; test_cli_runs.py has a run recorded
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
}
CODE = """
import os, sys, time
from pathlib import Path
from types import SimpleNamespace
from flows import workspace
from flows import server
home = Path(sys.argv[1])
workspace.quiet_environment(home)
with server.temporary_server(home) as ready:
    print(ready(), flush=True)
    time.sleep(float(sys.argv[2]))
"""


def children(home: Path) -> list[psutil.Process]:
    """Return the processes that use this home's database."""
    mine = str(home / "prefect")
    return [p for p in psutil.process_iter(["environ"]) if (p.info["environ"] or {}).get("PREFECT_HOME") == mine]


@pytest.mark.parametrize("how", ["by itself", pytest.param("kill -9", marks=pytest.mark.slow)])
def test_the_server_ends_with_the_run(tmp_path: Path, how: str) -> None:
    seconds = "0" if how == "by itself" else "200"
    command = [sys.executable, "-c", CODE, str(tmp_path), seconds]
    run = subprocess.Popen(command, env=os.environ | NO_TABLES, stdout=subprocess.PIPE, text=True)
    assert run.stdout
    assert run.stdout.readline() == "True\n"
    if how == "kill -9":
        assert children(tmp_path)
        run.send_signal(signal.SIGKILL)
    run.wait(60)
    run.stdout.close()
    deadline = time.monotonic() + 120
    while children(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not children(tmp_path)


def test_a_flow_may_have_a_parameter_called_name(tmp_path: Path) -> None:
    """The flow `application` has one."""
    from inspect import signature

    bound = signature(server.run_flow).bind(tmp_path, "flows.applications", "application", name="marketing")
    assert bound.arguments["parameters"] == {"name": "marketing"}
