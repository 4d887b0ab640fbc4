"""A worker ends when its supervisor is killed, and at once where it does not end by itself."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.serving.processes import wait_until
from tests.components.serving.support import ROOT

SUPERVISOR = """
import multiprocessing, pathlib, signal, sys, time
from components.serving.http.supervised import stop_with_parent

def work(file, is_stuck):
    if is_stuck:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stop_with_parent(0.2)
    pathlib.Path(file).write_text(str(multiprocessing.current_process().pid))
    time.sleep(600)

if __name__ == "__main__":
    stop_with_parent(0.2)  # no parent that multiprocessing knows: nothing happens
    multiprocessing.get_context("spawn").Process(target=work, args=(sys.argv[1], sys.argv[2] == "stuck")).start()
    time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("kind", ["ready", "stuck"])
def test_a_worker_ends_with_its_supervisor(tmp_path: Path, kind: str) -> None:
    (tmp_path / "supervisor.py").write_text(SUPERVISOR)
    pid_file = tmp_path / "pid"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "supervisor.py"), str(pid_file), kind]
    supervisor = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    wait_until(lambda: pid_file.exists() and pid_file.read_text())
    worker = int(pid_file.read_text())
    assert supervisor.poll() is None
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait(20)
    wait_until(lambda: not is_running(worker))
