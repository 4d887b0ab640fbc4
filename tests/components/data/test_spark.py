"""Spark writes the files of one process, also where a worker is lost; what is missing is named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.data import spark
from components.data.shop import write_shop
from components.errors import ContractError
from components.params import DataParams, SparkParams
from tests.components.data.spark_cluster import Killing, cluster, reason_to_skip
from tests.components.data.support import assert_equal_snapshots

Settings = Callable[..., Any]
MISSING = reason_to_skip()
needs_spark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
HERE = SparkParams(
    master="local[2]", memory_gib=1, properties={"spark.driver.host": "127.0.0.1"}
)  # fmt: skip


def simulate(folder: Path, settings: Settings, spark: SparkParams) -> DataParams:
    """Write a small shop, with invalid rows and a month that was exported twice; return its parameters."""
    chosen = settings()
    shop = chosen.shop.model_copy(update={"n_users": 50, "n_items": 200, "bad_share": 0.02})
    write_shop(shop, 1, folder / "raw")
    (folder / "raw/again").mkdir()
    shutil.copy(min((folder / "raw/events").iterdir()), folder / "raw/again")
    names = {"products": "products.jsonl.gz", "events": "events", "reviews": "reviews.jsonl.gz"}
    paths = {table: [{"path": f"raw/{name}"}] for table, name in (names | {"searches": "searches.csv.gz"}).items()}
    paths["events"].append({"path": "raw/again"})
    data: DataParams = settings(sources=paths, spark=spark.model_dump()).data
    return data


@needs_spark
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_shop_on_spark_in_one_process(tmp_path: Path, settings: Settings) -> None:
    data = simulate(tmp_path, settings, HERE)
    with spark.start(data.spark) as engine:
        quality = assert_equal_snapshots(tmp_path, data, engine)
    events = quality["events"].counts
    assert min(events.valid, events.quarantined, events.duplicates) > 0


@needs_spark
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_shop_on_two_workers(tmp_path: Path, settings: Settings) -> None:
    with cluster(tmp_path) as workers:
        data = simulate(tmp_path, settings, workers)
        with spark.start(data.spark) as engine:
            assert_equal_snapshots(tmp_path, data, engine)
    assert all(list((tmp_path / name).glob("app-*")) for name in ("w0", "w1"))  # both have run executors


@needs_spark
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("task", ["stage_unit", "write_month"])
def test_a_worker_is_killed_during_ingest(task: str, tmp_path: Path, settings: Settings) -> None:
    mark = tmp_path / "killed"
    with cluster(tmp_path) as workers:
        data = simulate(tmp_path, settings, workers)
        with spark.start(data.spark) as engine:
            assert_equal_snapshots(tmp_path, data, Killing(engine, task, mark))
    assert mark.read_text().isdecimal()


def fail(unit: int) -> int:
    if unit == 2:
        raise ContractError("unit 2 is bad")
    if unit == 3:
        raise ValueError("expected less than 3, got 3")
    return unit


@needs_spark
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_results_and_errors_of_tasks() -> None:
    with spark.start(HERE) as engine:
        assert engine.map(fail, []) == []
        assert engine.map(fail, [1, 0, 4]) == [1, 0, 4]
        with pytest.raises(ContractError, match="unit 2 is bad"):
            engine.map(fail, [1, 2])
        with pytest.raises(ContractError, match=r"fail failed: .*ValueError: expected less than 3, got 3"):
            engine.map(fail, [1, 3])


@needs_spark
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_cluster_at_the_address() -> None:
    unreachable = {"spark.cores.max": "1", "spark.driver.host": "127.0.0.1"}
    with (
        pytest.raises(ContractError, match=r"data.spark.master sparkling://x: cannot start"),
        spark.start(HERE.model_copy(update={"master": "sparkling://x", "properties": unreachable})),
    ):
        pass


def test_missing_packages_and_java_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda _: None)
    with pytest.raises(ContractError, match=r"expected the package pyspark, found none; install it: .*\[spark\]"):
        spark.require()
    monkeypatch.setattr(spark, "find_spec", lambda _: object())
    monkeypatch.setattr(spark, "version", lambda _: "4.3.0")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ContractError, match="found no `java` below JAVA_HOME; install Java 17"):
        spark.require()
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    java.chmod(0o755)
    with pytest.raises(ContractError, match="expected Java 17 or later, found 8; install Java 17"):
        spark.require()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\" 2023-10-17' >&2\n")
    assert spark.require() == "pyspark 4.3.0, Java 21"


def test_properties_of_the_session() -> None:
    chosen = SparkParams(
        memory_gib=2, executor_cores=3, properties={"spark.cores.max": "6", "spark.ui.enabled": "true"}
    )
    found = spark.settings_of(chosen)
    assert found["spark.executor.memoryOverhead"] == f"{3 * (2048 + spark.PYTHON_MIB)}m"
    assert (found["spark.cores.max"], found["spark.ui.enabled"]) == ("6", "true")
