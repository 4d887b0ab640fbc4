"""Run as a script, in the place of `python -m components.stages.X`: the warm process does it, with our files and group.

Only the standard library without site-packages is there (`python -IS`). Where no warm process listens, or the command
is another one, the interpreter of argv[1] runs it as usual. Exits as the command does.
"""

import json
import os
import signal
import socket
import sys

SOCKET = "CAROUSEL_WARM_SOCKET"  # environment variable: the path of the warm process's socket
LENGTH = 4  # bytes of the length in front of a request


def send(
    connection: socket.socket, command: list[str], cwd: str, env: dict[str, str], files: list[int], leads: bool
) -> None:
    """Ask for a command ["-m", module, *arguments]; files: its standard input, output and errors.

    leads: it gets a process group of its own; else it joins that of the caller.
    The answers are lines: the process id, then the exit code, negative for a signal.
    """
    request = json.dumps({"command": command, "cwd": cwd, "env": env, "leads": leads}).encode()
    socket.send_fds(connection, [len(request).to_bytes(LENGTH, "big")], files)
    connection.sendall(request)


def main() -> int:
    """Return the exit code of the command in argv[2:]."""
    python, *command = sys.argv[1:]
    connection = socket.socket(socket.AF_UNIX)
    try:
        if command[:1] != ["-m"]:
            raise OSError("no module")
        connection.connect(os.environ[SOCKET])
    except (OSError, KeyError):
        os.execv(python, [python, *command])  # noqa: S606 - the same command, without a shell
    folder = os.getcwd()  # noqa: PTH109 - pathlib would take longer to import than all else here
    send(connection, command, folder, dict(os.environ), [0, 1, 2], leads=False)
    answers = connection.makefile("r").read().split()
    code = int(answers[1]) if len(answers) > 1 else -signal.SIGKILL  # no code: the warm process was killed
    if code < 0:
        os.kill(os.getpid(), -code)  # the caller sees the signal that ended the command
    return code


if __name__ == "__main__":
    sys.exit(main())
