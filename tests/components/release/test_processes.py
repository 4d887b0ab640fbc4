import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.release import processes
from components.release.processes import run_guarded

LOG = logging.getLogger("test")
ROOT = Path(__file__).parents[3]


def run(code: str, cwd: Path, timeout_s: float = 30) -> processes.ProcessResult:
    return run_guarded([sys.executable, "-c", code], cwd, os.environ, timeout_s, LOG)


def alive(pid: int) -> bool:
    """A zombie process counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: object, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def test_output_and_exit_code(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        outcome = run("import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)", tmp_path)
    assert (outcome.code, outcome.timed_out) == (3, False)
    assert sorted(outcome.lines) == ["one", "two"]
    assert "one" in caplog.text


def test_output_that_is_not_utf8_is_replaced(tmp_path: Path) -> None:
    assert run("import sys; sys.stdout.buffer.write(b'\\xff\\xfe ok\\n')", tmp_path).code == 0


def test_a_killed_command_has_a_non_zero_exit_code(tmp_path: Path) -> None:
    assert run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path).code == 128 + 9


CHILD = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)']).pid, flush=True)
time.sleep({})
"""


def run_until_it_speaks(code: str, cwd: Path) -> processes.ProcessResult:
    """Run code that prints a line and then hangs, with a growing timeout until the line is printed in time."""
    for timeout_s in (1, 5, 25, 125):
        outcome = run(code, cwd, timeout_s)
        if outcome.lines:
            break
    return outcome


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    outcome = run_until_it_speaks(CHILD.format(3600), tmp_path)
    assert outcome.timed_out
    assert outcome.code != 0
    assert wait_until(lambda: not alive(int(outcome.lines[0])))


def test_children_that_the_command_left_running_are_killed(tmp_path: Path) -> None:
    code = CHILD.format(0).replace(".Popen([", ".Popen(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, args=[")
    outcome = run(code, tmp_path)
    assert outcome.code == 0
    assert wait_until(lambda: not alive(int(outcome.lines[0])))


def test_sigterm_is_sent_before_sigkill(tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, sys, time\n"
        "def save(*_):\n    pathlib.Path('checkpoint').write_text('saved'); sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, save)\nprint('ready', flush=True)\ntime.sleep(3600)"
    )
    outcome = run_until_it_speaks(code, tmp_path)
    assert outcome.timed_out
    assert (tmp_path / "checkpoint").read_text() == "saved"


def test_no_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import logging, os, sys; from pathlib import Path; from components.release.processes import run_guarded\n"
            f"run_guarded([sys.executable, '-c', {CHILD.format(3600)!r}], Path({str(tmp_path)!r}), os.environ, 3600, "
            "type('L', (), {'info': lambda s, f, t: print(t, flush=True)})())",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert wait_until(lambda: not alive(child))
