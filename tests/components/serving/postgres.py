"""A PostgreSQL of a test's own on loopback, from the system's packages; it can be killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from components.errors import CarouselError


def programs() -> Path | None:
    """Return the folder of initdb and postgres, None where they are not installed."""
    found = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    return Path(found).parent if found else places[-1] if places else None


class Postgres:
    """One cluster in a folder."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        self.folder, self.bin = folder / "cluster", bin_folder
        self.as_user: list[str] = []
        if os.getuid() == 0:  # it refuses to run as root
            shutil.chown(folder, "postgres")
            for parent in (folder, *folder.parents):
                parent.chmod(parent.stat().st_mode | 0o111)
                if parent.name.startswith("pytest-of-") or parent == Path("/tmp"):
                    break
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
        command = [self.bin / "initdb", "--pgdata", self.folder, "--username", "postgres", "--auth", "trust"]
        subprocess.run([*self.as_user, *command, "--encoding", "UTF8", "--no-sync"], check=True, capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.n = 0

    def start(self) -> None:
        """Start, and wait until it answers."""
        import psycopg2

        wanted = ["listen_addresses=127.0.0.1", "unix_socket_directories="]
        options = [word for option in wanted for word in ("-c", option)]
        command = [self.bin / "postgres", "-D", self.folder, "-p", str(self.port), *options]
        with (self.folder.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.as_user, *command], stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        for _ in range(300):
            try:
                return self.ask("SELECT 1")
            except psycopg2.OperationalError:
                time.sleep(0.1)
        raise CarouselError(f"PostgreSQL does not answer; see {self.folder.parent / 'log'}")

    def database(self) -> str:
        """Return the address of a new database."""
        self.n += 1
        self.ask(f"CREATE DATABASE t{self.n}")
        return f"postgresql://postgres@127.0.0.1:{self.port}/t{self.n}"

    def kill(self) -> None:
        """End all of its processes at once, as a power cut would."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            time.sleep(0.2)

    def stop(self) -> None:
        """Shut it down."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(timeout=30)

    def ask(self, sql: str) -> None:
        """Run a statement; raises psycopg2.OperationalError while nobody answers."""
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", connect_timeout=2)
        try:
            connection.autocommit = True
            connection.cursor().execute(sql)
        finally:
            connection.close()
