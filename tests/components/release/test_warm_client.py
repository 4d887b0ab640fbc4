"""The script named `python`: what it sends to the warm process, and when it runs the interpreter itself."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from components.release import warm_client
from components.release.warm_client import LENGTH, SOCKET


def call(*command: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-IS", warm_client.__file__, sys.executable, *command],
        env={k: v for k, v in os.environ.items() if k != SOCKET} | env,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_without_a_warm_process_the_interpreter_runs_the_command(tmp_path: Path) -> None:
    assert call("-m", "platform").returncode == 0
    assert call("-c", "print(6 * 7)", **{SOCKET: str(tmp_path / "gone")}).stdout == "42\n"
    assert call("-m", "no_such_module", **{SOCKET: str(tmp_path / "gone")}).returncode == 1


@pytest.mark.parametrize(("answer", "code"), [(b"123\n7\n", 7), (b"123\n-15\n", -15), (b"123\n", -9), (b"", -9)])
def test_the_command_is_sent_and_its_exit_code_returned(tmp_path: Path, answer: bytes, code: int) -> None:
    """An answer that breaks off means that the warm process was killed."""
    requests: list[dict[str, object]] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                head, files, _, _ = socket.recv_fds(connection, LENGTH, 3)
                with connection.makefile("rb") as reader:
                    requests.append(json.loads(reader.read(int.from_bytes(head, "big"))))
                os.write(files[1], b"hello\n")
                for file in files:
                    os.close(file)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        done = call("-m", "components.stages.fit", "one", **{SOCKET: str(tmp_path / "socket")})
        thread.join(60)
    assert (done.returncode, done.stdout) == (code, "hello\n")
    (request,) = requests
    assert request["command"] == ["-m", "components.stages.fit", "one"]
    assert (request["cwd"], request["leads"]) == (str(Path.cwd()), False)
