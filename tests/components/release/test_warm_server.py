"""The warm process: requests that it refuses, and how a command ends in a fork of it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.release import warm_server
from components.release.warm_client import LENGTH, send
from tests.support import ROOT


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    caller, server = socket.socketpair()
    with caller, server:
        yield caller, server


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(("leads", "group"), [(True, 0), (False, os.getpgid(0))])
def test_a_request_has_command_files_and_group(
    pair: tuple[socket.socket, socket.socket], leads: bool, group: int
) -> None:
    caller, server = pair
    before = open_descriptors()
    send(caller, ["-m", "work"], "/", {"A": "1"}, [0, 1, 2], leads)
    request = warm_server._receive(server)
    assert request is not None
    assert (request.command, request.cwd, request.env, request.group) == (["-m", "work"], "/", {"A": "1"}, group)
    assert len(request.files) == 3
    request.close()
    assert open_descriptors() == before


@pytest.mark.parametrize("content", [b"not json", b"{}", b"[]"])
def test_a_request_that_makes_no_sense_is_refused_and_its_files_closed(
    pair: tuple[socket.socket, socket.socket], content: bytes
) -> None:
    caller, server = pair
    before = open_descriptors()
    socket.send_fds(caller, [len(content).to_bytes(LENGTH, "big")], [0, 1, 2])
    caller.sendall(content)
    assert warm_server._receive(server) is None
    assert open_descriptors() == before


def test_a_caller_that_ends_or_hangs_is_not_waited_for(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, server = pair
    monkeypatch.setattr(warm_server, "REQUEST_S", 0.1)
    caller.sendall((100).to_bytes(LENGTH, "big"))
    assert warm_server._receive(server) is None
    caller.close()
    assert warm_server._receive(server) is None


@pytest.mark.parametrize(
    ("statement", "code", "text"),
    [
        ("pass", 0, ""), ("sys.exit(3)", 3, ""), ("sys.exit('no data')", 1, "no data\n"), ("sys.exit(None)", 0, ""),
        ("sys.exit(256 + 5)", 5, ""),
    ],
)  # fmt: skip
def test_the_exit_code_is_that_of_an_interpreter(statement: str, code: int, text: str) -> None:
    work = (
        "import os, sys\nfrom components.release.warm_server import _exit_code\n"
        f"def work():\n    {statement}\ncode = _exit_code(work)\nos._exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", work], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, text)
