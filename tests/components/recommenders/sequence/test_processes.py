"""A process that trains ends where another one has failed, and only then."""

import os
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from components.errors import ContractError
from components.recommenders.sequence.processes import FIRST_PID, ends_with_other_processes
from tests.support import ROOT

WAITS = """
import subprocess, time
from types import SimpleNamespace
from components.recommenders.sequence.processes import ends_with_other_processes
commands = {commands}
processes = [subprocess.Popen(command) for command in commands]
print(*(process.pid for process in processes), flush=True)
with ends_with_other_processes(SimpleNamespace(procs=processes) if commands else None):
    time.sleep({seconds})
"""


def run(commands: list[list[str]], seconds: float = 100, **environment: str) -> subprocess.CompletedProcess[str]:
    script = WAITS.format(commands=commands, seconds=seconds)
    env = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60, env=env
    )


def test_a_failed_process_ends_the_first_one_and_all_others() -> None:
    done = run([["sleep", "100"], ["sh", "-c", "exit 3"]])
    assert done.returncode == 1
    assert "process 3 of the 3 that train has ended with code 3" in done.stderr
    assert "run again to resume" in done.stderr
    sleeper = int(done.stdout.split()[0])
    assert not psutil.pid_exists(sleeper) or psutil.Process(sleeper).status() == psutil.STATUS_ZOMBIE


def test_a_further_process_ends_with_the_first_one() -> None:
    done = run([], **{FIRST_PID: str(os.getppid()), "LOCAL_RANK": "1"})  # not the process that starts it
    assert done.returncode == 1
    assert "the first process of the training has ended" in done.stderr


@pytest.mark.parametrize(("commands", "rank"), [([], "1"), ([["true"]], "0")])
def test_the_process_goes_on_where_none_has_failed(commands: list[list[str]], rank: str) -> None:
    done = run(commands, seconds=0.5, **{FIRST_PID: str(os.getpid()), "LOCAL_RANK": rank})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_lost_connection_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FIRST_PID, raising=False)
    text = "[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:900"
    with pytest.raises(ContractError, match="run again to resume"), ends_with_other_processes(None):
        raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="shape"), ends_with_other_processes(None):
        raise RuntimeError("shape")


def test_the_first_process_tells_the_others_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FIRST_PID, "0")
    with ends_with_other_processes(SimpleNamespace(procs=[])):
        assert os.environ[FIRST_PID] == str(os.getpid())
