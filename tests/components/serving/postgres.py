"""A PostgreSQL server for tests on loopback, from the system's packages; it can be killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import psycopg

from components.errors import CarouselError


def find_programs() -> Path | None:
    """Return the folder of initdb and postgres, None where they are not installed."""
    found = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    return Path(found).parent if found else installed[-1] if installed else None


class Postgres:
    """One cluster in a folder."""

    def __init__(self, folder: Path, programs: Path) -> None:
        """folder: empty, accessible to every user: PostgreSQL refuses to run as root."""
        self.folder, self.programs = folder, programs
        self.as_user: list[str] = []
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
        command = [programs / "initdb", "--pgdata", folder / "cluster", "--username", "postgres", "--auth", "trust"]
        subprocess.run([*self.as_user, *command, "--encoding", "UTF8", "--no-sync"], check=True, capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.n_databases = 0

    def start(self) -> None:
        """Start, and wait until it answers."""
        # without fsync a killed server still has what it wrote: only a power cut would lose it
        wanted = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        options = [word for option in wanted for word in ("-c", option)]
        command = [self.programs / "postgres", "-D", self.folder / "cluster", "-p", str(self.port), *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.as_user, *command], stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        while self.process.poll() is None:
            try:
                return self.execute("SELECT 1")
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise CarouselError(f"PostgreSQL ended: {(self.folder / 'log').read_text()[-2000:]}")

    def create_database(self) -> str:
        """Return the address of a new database."""
        self.n_databases += 1
        self.execute(f"CREATE DATABASE t{self.n_databases}")
        return f"postgresql://postgres@127.0.0.1:{self.port}/t{self.n_databases}"

    def kill(self) -> None:
        """Kill all of its processes."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            deadline = time.monotonic() + 30
            while self._has_processes() and time.monotonic() < deadline:  # they hold the shared memory until they end
                time.sleep(0.05)

    def _has_processes(self) -> bool:
        """Return whether a process of the server still runs; one that has ended and was not reaped does not."""
        assert self.process is not None
        group = [p for p in psutil.process_iter(["status"]) if _group_of(p.pid) == self.process.pid]
        return any(p.info["status"] != psutil.STATUS_ZOMBIE for p in group)

    def stop(self) -> None:
        """Shut it down."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(timeout=30)

    def execute(self, sql: str) -> None:
        """Run a statement; raises psycopg.OperationalError while the server does not answer."""
        address = f"host=127.0.0.1 port={self.port} user=postgres connect_timeout=2"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(sql.encode())


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
