"""The warm process of a run: it imports the libraries of the stages once, and forks for each command.

Started by `warm.py`, with a pipe of the run as standard input. When that closes, which happens even when the run was
killed by SIGKILL, all commands end with their children. It computes nothing and has one Python thread. Only libraries
are imported, so that a command reads Carousel's code as it is when the command starts.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from components.release.warm_client import LENGTH

GRACE_S = 10.0  # between SIGTERM and SIGKILL
REQUEST_S = 10.0  # longest wait for a request: a caller that hangs must not stop the others
Work = Callable[[], Any]


@dataclass(frozen=True)
class Request:
    """A command that a caller asks for."""

    command: list[str]  # ["-m", module, *arguments]
    cwd: str
    env: dict[str, str]
    files: list[int]  # descriptors of its standard input, output and errors
    group: int  # process group that it joins; 0: its own

    def close(self) -> None:
        """Close the descriptors."""
        for file in self.files:
            os.close(file)


class WarmServer:
    """Forks for each command; sends the caller its process id, then its exit code."""

    def __init__(self, listener: socket.socket, at_once: bool, libraries: list[str]) -> None:
        """libraries: imported one by one between requests, from the start or from the first command on."""
        self.listener, self.importing, self.libraries = listener, at_once, libraries
        self.callers: dict[int, socket.socket] = {}  # process id -> connection
        self.leaders: set[int] = set()  # of process groups
        self.selector = selectors.DefaultSelector()
        self.wakeup, self.ended = socket.socketpair()

    def serve(self) -> Work:
        """Answer until standard input closes; return what this process has to do next.

        In the server that is to end all commands; in a forked child, its command.
        """
        self.wakeup.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wakeup.fileno())
        for source in (sys.stdin, self.listener, self.ended):
            self.selector.register(source, selectors.EVENT_READ)
        while True:
            wait_s = 0 if self.importing and self.libraries else None
            ready = [key.fileobj for key, _ in self.selector.select(wait_s)]
            if not ready:
                self._import_next()
            for source in ready:
                if source is sys.stdin:
                    return self.end_all
                if source is self.listener:
                    self.importing = True
                    work = self._accept()
                    if work is not None:
                        return work
                elif source is self.ended:
                    self.ended.recv(4096)
                    self._report()
                else:
                    self._forget(source)

    def end_all(self) -> None:
        """End all commands and their children: SIGTERM, then SIGKILL after GRACE_S."""
        deadline = time.monotonic() + GRACE_S
        self._signal_groups(signal.SIGTERM)
        while self.callers and time.monotonic() < deadline:
            for pid in list(self.callers):
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    del self.callers[pid]
            time.sleep(0.05)
        self._signal_groups(signal.SIGKILL)
        os._exit(0)  # without the time that an interpreter takes to free all libraries

    def _signal_groups(self, number: int) -> None:
        for group in self.leaders:
            with suppress(ProcessLookupError):
                os.killpg(group, number)

    def _import_next(self) -> None:
        with suppress(ImportError):  # a stage that needs it says so
            import_module(self.libraries.pop(0))
        if not self.libraries:
            gc.collect()
            gc.freeze()  # the collector of a child leaves the pages alone that it shares with the server

    def _accept(self) -> Work | None:
        """Fork for a caller; return the command in the child, None in the server."""
        connection, _ = self.listener.accept()
        request = _receive(connection)
        if request is None:
            connection.close()
            return None
        pid = os.fork()
        if not pid:
            os.setpgid(0, request.group)
            return lambda: self._become(request)
        with suppress(OSError):  # the child has done it already, or has ended
            os.setpgid(pid, request.group or pid)
        request.close()
        if not request.group:
            self.leaders.add(pid)
        self.callers[pid] = connection
        with suppress(OSError):
            connection.sendall(f"{pid}\n".encode())
        self.selector.register(connection, selectors.EVENT_READ, pid)
        return None

    def _report(self) -> None:
        """Send the exit codes of children that have ended; each stays a zombie, so that its id is not given again."""
        for pid, connection in self.callers.items():
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found:
                code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
                with suppress(OSError):
                    connection.sendall(f"{code}\n".encode())
                    connection.shutdown(socket.SHUT_WR)

    def _forget(self, connection: Any) -> None:
        """Reap the child of a caller that has closed the connection; kill one that still runs."""
        pid = self.selector.unregister(connection).data
        connection.close()
        del self.callers[pid]
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL) if pid in self.leaders else os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.leaders.discard(pid)

    def _become(self, request: Request) -> None:
        """Run the command in this forked process as a fresh interpreter would."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for end in (self.listener, self.wakeup, self.ended, *self.callers.values()):
            end.close()
        for target, file in enumerate(request.files):
            os.dup2(file, target)
        request.close()
        os.chdir(request.cwd)
        os.environ.clear()
        os.environ.update(request.env)
        _, module, *arguments = request.command
        sys.path[0] = request.cwd
        sys.argv = [module, *arguments]
        os._exit(_exit_code(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)))


def _exit_code(command: Work) -> int:
    """Run the command and what the interpreter does at its exit; return the exit code.

    The destructors of libraries must not run: they would wait for threads that only the server has.
    """
    code: Any = 0
    try:
        command()
    except SystemExit as error:
        code = error.code or 0
        if not isinstance(code, int):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader has ended, or the command closed it
            stream.flush()
    return int(code) & 0xFF


def _receive(connection: socket.socket) -> Request | None:
    """Return the caller's request; None where the caller has ended, or sends none in time or another one."""
    connection.settimeout(REQUEST_S)
    files: list[int] = []
    try:
        head, files, _, _ = socket.recv_fds(connection, LENGTH, 3)
        with connection.makefile("rb", buffering=0) as reader:
            content = b""
            while len(content) < int.from_bytes(head, "big"):
                part = reader.read(65_536)
                if not part:
                    raise EOFError
                content += part
        fields = json.loads(content)
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        group = 0 if fields["leads"] else os.getpgid(pid)
        return Request(fields["command"], fields["cwd"], fields["env"], files, group)
    except (OSError, EOFError, ValueError, LookupError, TypeError):
        for file in files:
            os.close(file)
        return None


def main() -> None:
    """Serve; arguments: descriptor of the listening socket, 1 to import from the start (else 0), the libraries."""
    work = WarmServer(socket.socket(fileno=int(sys.argv[1])), sys.argv[2] == "1", sys.argv[3:]).serve()
    work()


if __name__ == "__main__":
    main()
