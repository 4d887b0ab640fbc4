"""Apache Spark as the engine of `ingest`: it places tasks on workers, and repeats those that were lost.

A task is one of our functions, called with a small record; it reads and writes Parquet files by DuckDB. No row goes
through Spark's JVM: rows are read, cast and sorted by the same code as without Spark, and the files are the same.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import components
from components.errors import CarouselError, ContractError
from components.params import SparkParams

Unit = TypeVar("Unit")
Result = TypeVar("Result")
MIN_JAVA = 17
HEAP_MIB = 512  # of an executor's JVM, which only places tasks and carries their results
JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # JVMs carry no rows here: what starts fast is best
PYTHON_MIB = 300  # of a task's Python process, without DuckDB
_INSTALL_JAVA = f"install Java {MIN_JAVA} or later, as by `apt-get install openjdk-17-jre-headless`, or set JAVA_HOME"
_INSTALL_PYSPARK = "install it: `.venv/bin/pip install -c constraints.txt '.[spark]'`"
_ERROR = re.compile(r"(\w+\.)*\w*(Error|Exception):")  # of Python, at the beginning of a line


@dataclass(frozen=True)
class SparkEngine:
    """A session of Spark."""

    context: Any  # SparkContext

    def map(self, task: Callable[[Unit], Result], units: Sequence[Unit]) -> list[Result]:
        """Return the results in the order of the units; each unit is a task of Spark."""
        from py4j.protocol import Py4JError

        if not units:
            return []
        try:
            tasks = self.context.parallelize(units, len(units)).map(partial(_call, task))
            results: list[tuple[Result, None] | tuple[None, CarouselError]] = tasks.collect()
        except Py4JError as error:
            lines = [line.strip() for line in str(error).splitlines() if _ERROR.match(line)]
            raise ContractError(
                f"data.engine spark: {task_name(task)} failed: {' / '.join(lines)[:500]}; see the log of the executors "
                "(folder `work` of a standalone worker), or set data.engine to duckdb"
            ) from None
        found = []
        for result, raised in results:
            if raised is not None:
                raise raised
            found.append(result)
        return found  # type: ignore[return-value]


def task_name(task: Callable[..., Any]) -> str:
    """Return the name of a function, also of a partial one."""
    function = task.func if isinstance(task, partial) else task
    return str(getattr(function, "__name__", function))


def _call(task: Callable[[Unit], Result], unit: Unit) -> tuple[Result, None] | tuple[None, CarouselError]:
    """Return what the task returns, or the error that it raises on purpose: to try that again would be of no use."""
    try:
        return task(unit), None
    except CarouselError as error:
        return None, error


@contextmanager
def start(spark: SparkParams) -> Iterator[SparkEngine]:
    """Yield a session; raises ContractError where pyspark, Java or the cluster is missing."""
    require()
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext

    settings = settings_of(spark)
    with _restored_process():
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # of tasks; the property counts for spark-submit only
        try:
            context = SparkContext(conf=SparkConf().setAll(list(settings.items())))
        except (Py4JError, OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ContractError(
                f"data.spark.master {spark.master}: cannot start: {reason}; see the log above"
            ) from None
        try:
            context.setLogLevel("ERROR")
            yield SparkEngine(context)
        finally:
            context.stop()


@contextmanager
def _restored_process() -> Iterator[None]:
    """Restore sys.path, the environment and the handler of SIGINT, which a session of Spark changes."""
    path, environment, handler = list(sys.path), dict(os.environ), signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environment)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


def settings_of(spark: SparkParams) -> dict[str, str]:
    """Return Spark's properties. The checkout and the environment must have the same path on all workers.

    memory_gib is that of DuckDB in one task; the JVM of an executor gets HEAP_MIB, and what a resource manager adds to
    it (memoryOverhead) is what its tasks need.
    """
    overhead = spark.executor_cores * (round(spark.memory_gib * 1024) + PYTHON_MIB)
    return {
        "spark.master": spark.master,
        "spark.app.name": "carousel",
        "spark.executor.cores": str(spark.executor_cores),
        "spark.executor.memory": f"{HEAP_MIB}m",
        "spark.executor.memoryOverhead": f"{overhead}m",
        "spark.driver.extraJavaOptions": JVM,
        "spark.executor.extraJavaOptions": JVM,
        "spark.executorEnv.PYTHONPATH": str(Path(components.__file__).parents[1]),
        "spark.executorEnv.PYTHONHASHSEED": "0",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **spark.properties,
    }


def require() -> str:
    """Return which pyspark and Java are used; raises ContractError where one is missing, with what to do."""
    if find_spec("pyspark") is None:
        raise ContractError(f"data.engine spark: expected the package pyspark, found none; {_INSTALL_PYSPARK}")
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin/java") if home else "java")
    if java is None:
        where = "below JAVA_HOME" if home else "in PATH"
        raise ContractError(f"data.engine spark: expected Java, found no `java` {where}; {_INSTALL_JAVA}")
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    if found is None or int(found[1]) < MIN_JAVA:
        raise ContractError(
            f"data.engine spark: expected Java {MIN_JAVA} or later, found {found[1] if found else 'none'}; "
            f"{_INSTALL_JAVA}"
        )
    return f"pyspark {version('pyspark')}, Java {found[1]}"
