"""A Spark cluster of processes on loopback, and a task that kills the worker that runs it."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from components.data import spark
from components.data.engines import Result, TaskEngine, Unit
from components.errors import ContractError
from components.params import SparkParams

MASTER, WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"
EXECUTOR = "CoarseGrainedExecutorBackend"
N_WORKERS = 2
TIMEOUT_S = 240.0  # a busy machine starts a JVM in a minute


def reason_to_skip() -> str:
    """Return what of Spark is missing; "" where nothing is."""
    try:
        spark.require()
    except ContractError as error:
        return str(error)
    return ""


@contextmanager
def cluster(folder: Path) -> Iterator[SparkParams]:
    """Yield how to reach a master with two workers, of a core each. Their logs are in the folder."""
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as free_web:
        port, web = free.getsockname()[1], free_web.getsockname()[1]
    address = f"spark://127.0.0.1:{port}"
    with ExitStack() as running:
        running.enter_context(_process(folder / "master", [MASTER, "--port", str(port), "--webui-port", str(web)]))
        for number in range(N_WORKERS):
            limits = ["--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", str(folder / f"w{number}")]
            running.enter_context(_process(folder / f"worker{number}", [WORKER, *limits, address]))
        _wait_for_workers(f"http://127.0.0.1:{web}/json/", folder)
        properties = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        yield SparkParams(
            master=address, memory_gib=1, executor_cores=1, rows_per_task=1000, properties=properties
        )  # fmt: skip


@contextmanager
def _process(log: Path, arguments: list[str]) -> Iterator[None]:
    found = find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    command = [Path(found.origin).parent / "bin/spark-class", *arguments, "--host", "127.0.0.1"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=os.environ
            | {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": spark.JVM},
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_workers(page: str, folder: Path) -> None:
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(page, timeout=5) as answer:
                if answer.read().count(b'"ALIVE"') > N_WORKERS:  # the master is one, too
                    return
        except OSError:
            pass
        time.sleep(0.2)
    logs = "\n".join((folder / name).read_text()[-2000:] for name in ("master", "worker0", "worker1"))
    raise TimeoutError(f"no {N_WORKERS} workers at {page} within {TIMEOUT_S:g} s\n{logs}")


@dataclass(frozen=True)
class Killing:
    """An engine on which the first task with a name kills its worker, when all is written and nothing is reported."""

    engine: TaskEngine
    name: str
    mark: Path  # is made by the task that kills

    def map(self, task: Callable[[Unit], Result], units: Sequence[Unit]) -> list[Result]:
        """Return the results in the order of the units."""
        if spark.task_name(task) == self.name:
            return self.engine.map(partial(call_and_kill_once, task, self.mark), units)
        return self.engine.map(task, units)


def call_and_kill_once(task: Callable[[Unit], Result], mark: Path, unit: Unit) -> Result:
    """Call the task; the first of all tasks kills worker and executor before it returns."""
    result = task(unit)
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return result
    lost = {kind: pid for pid in _ancestors() for kind in (EXECUTOR, WORKER) if kind in _command_of(pid)}
    mark.write_text(str(lost[WORKER]))
    os.kill(lost[WORKER], signal.SIGKILL)  # first: it would start another executor
    os.kill(lost[EXECUTOR], signal.SIGKILL)
    time.sleep(TIMEOUT_S)
    raise AssertionError("the executor is gone, and its task still runs")


def _ancestors() -> Iterator[int]:
    pid = os.getpid()
    while pid > 1:
        status = Path(f"/proc/{pid}/status").read_text()
        pid = int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])
        yield pid


def _command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()
