"""Commands forked from a warm process end, fail, hang and are killed as those of a fresh interpreter."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from components.release.processes import ProcessResult, run_guarded
from components.release.versioning import reproduce_stage
from components.release.warm import DVC, run_warm, search_path, warm_process
from tests.components.release.tiny_repo import make_repo

ROOT = Path(__file__).parents[3]
LOG = logging.getLogger("test")


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder for modules, and the environment of a warm process that has imported `wave`."""
    folder = tmp_path_factory.mktemp("warm")
    with warm_process(ROOT, ["wave"]) as env:
        yield folder, {**os.environ, **env, "PATH": os.pathsep.join([*search_path(env), os.environ["PATH"]])}


def run(warm: tuple[Path, dict[str, str]], code: str, timeout_s: float = 60) -> ProcessResult:
    """Run the code as the module `work` by the warm process."""
    folder, env = warm
    (folder / "work.py").write_text(textwrap.dedent(code))
    outcome = run_warm(["-m", "work", "one", "two"], folder, env, timeout_s, LOG)
    assert outcome is not None
    return outcome


def alive(pid: int) -> bool:
    """A zombie process counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_ended(pid: int) -> bool:
    for _ in range(1_200):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_a_command_sees_what_a_fresh_interpreter_shows(warm: tuple[Path, dict[str, str]]) -> None:
    code = """
        import os, sys
        print(__name__, sys.argv[1:], os.getcwd(), os.environ["ANSWER"], sys.path[0], sys.stdin.read() == "")
        print(os.getpgrp() == os.getpid())
        sys.exit(3)
    """
    folder, env = warm
    ours = run((folder, env | {"ANSWER": "42"}), code)
    fresh = run_guarded([sys.executable, "-m", "work", "one", "two"], folder, env | {"ANSWER": "42"}, 60, LOG)
    assert (ours.code, ours.lines[0]) == (fresh.code, fresh.lines[0]) == (3, ours.lines[0])
    assert ours.lines[1] == "True"  # a process group of its own


def test_libraries_are_imported_before_the_fork_and_our_code_is_not(warm: tuple[Path, dict[str, str]]) -> None:
    code = "import sys; print('wave' in sys.modules, 'components.params' in sys.modules, 'work' in sys.modules)"
    for _ in range(200):  # the server imports while no command comes
        lines = run(warm, code).lines
        if lines[0].startswith("True"):
            break
    assert lines == ["True False False"]


@pytest.mark.parametrize("at_once", [True, False])
def test_libraries_are_imported_from_the_start_or_from_the_first_command(
    at_once: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noted.py").write_text("from pathlib import Path\nPath(__file__).with_suffix('.imported').touch()\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with warm_process(ROOT, ["noted"], at_once) as env:
        until = time.monotonic() + (60 if at_once else 1)
        while not (tmp_path / "noted.imported").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert (tmp_path / "noted.imported").exists() == at_once
        assert run_warm(["-m", "noted"], tmp_path, os.environ | env, 60, LOG) is not None


def test_an_error_prints_its_traceback(warm: tuple[Path, dict[str, str]]) -> None:
    outcome = run(warm, "raise ValueError('expected 3 rows')")
    assert outcome.code == 1
    assert outcome.lines[-1] == "ValueError: expected 3 rows"


def test_exit_functions_run_and_messages_are_printed(warm: tuple[Path, dict[str, str]]) -> None:
    code = """
        import atexit, sys, threading, time
        atexit.register(print, "at exit")
        threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
        sys.exit("expected 3 rows")
    """
    outcome = run(warm, code)
    assert outcome.code == 1
    assert sorted(outcome.lines) == ["at exit", "expected 3 rows", "thread"]


def test_a_killed_command_has_the_exit_code_of_a_shell(warm: tuple[Path, dict[str, str]]) -> None:
    assert run(warm, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)").code == 128 + 9


HANGS = """
    import subprocess, sys, time
    sleep = [sys.executable, "-c", "import time; time.sleep(3600)"]
    print(subprocess.Popen(sleep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid, flush=True)
    time.sleep({})
"""


def test_a_command_that_hangs_is_killed_with_its_children(warm: tuple[Path, dict[str, str]]) -> None:
    for timeout_s in (2, 10, 60):
        outcome = run(warm, HANGS.format(3600), timeout_s)
        if outcome.lines:
            break
    assert outcome.timed_out
    assert outcome.code == 128 + signal.SIGTERM
    assert wait_until_ended(int(outcome.lines[0]))


def test_children_that_a_command_left_running_are_killed(warm: tuple[Path, dict[str, str]]) -> None:
    outcome = run(warm, HANGS.format(0))
    assert (outcome.code, outcome.timed_out) == (0, False)
    assert wait_until_ended(int(outcome.lines[0]))


INNER = """
    import os, subprocess, sys
    if sys.argv[1] == "inner":
        print("inner", os.getppid() == int(sys.argv[2]), os.getpgrp() == int(sys.argv[3]), flush=True)
        os.kill(os.getpid(), 9) if sys.argv[4] == "die" else sys.exit(4)
    for end in ("exit", "die"):
        command = ["python", "-m", "work", "inner", str(os.getppid()), str(os.getpgrp()), end]
        print(subprocess.run(command).returncode, flush=True)
    print(subprocess.run(["python", "-c", "print('another command')"]).returncode)
"""


def test_python_in_a_command_asks_the_same_process_and_joins_the_group(warm: tuple[Path, dict[str, str]]) -> None:
    lines = run(warm, INNER).lines
    assert lines[:4] == ["inner True True", "4", "inner True True", "-9"]
    assert sorted(lines[4:]) == ["0", "another command"]


@pytest.mark.parametrize("module", DVC)
def test_the_modules_of_dvc_that_are_imported_ahead_exist(module: str) -> None:
    assert find_spec(module)  # the warm process skips one that does not


def test_without_a_warm_process_nothing_is_run_by_it(tmp_path: Path) -> None:
    with warm_process(ROOT, []) as env:
        pass
    assert run_warm(["-m", "work"], tmp_path, env, 60, LOG) is None
    assert run_warm(["-m", "work"], tmp_path, {}, 60, LOG) is None
    assert search_path({}) == []


def test_commands_end_with_a_killed_run(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(textwrap.dedent(HANGS.format(3600)))
    run_code = (
        "import logging, os, sys; from pathlib import Path; from components.release.warm import *\n"
        f"with warm_process(Path({str(ROOT)!r}), []) as env:\n"
        f"    run_warm(['-m', 'work'], Path({str(tmp_path)!r}), os.environ | env, 3600,\n"
        "        type('L', (), {'info': lambda s, f, t: print(t, flush=True)})())"
    )
    parent = subprocess.Popen([sys.executable, "-c", run_code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert wait_until_ended(child)


def test_a_stage_that_dvc_runs_is_recorded_as_usual(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "shop")
    with warm_process(root, []) as env:
        run = reproduce_stage(root, "ingest", 60, env)
    assert (run.ran, run.work_s) == (True, 0.25)
    assert (root / "data/snapshot/a.txt").read_text() == "rows 3"
