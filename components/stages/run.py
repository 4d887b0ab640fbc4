"""Shared by every stage's `main()`: parameters, log, crash points, leak check, timing, and files of numbers."""

import csv
import json
import logging
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from components import params, redact
from components.errors import CarouselError
from components.faults import crash_point
from components.release.integrity import check_inputs
from components.settings import Settings

RESOLVED = Path("run/params.yaml")
SUMMARY = Path("reports/summary")  # the few numbers that dvc.yaml declares as metrics and plots


def find_data_root(loaded: params.Params) -> Path:
    """Return where relative paths of the shop's files start; the simulated shop writes its own into the checkout."""
    return Path() if loaded.data.simulated else Settings().data_root or Path()


@contextmanager
def stage(name: str, *outs: str, check_leaks: bool = False) -> Iterator[params.Params]:
    """Yield the resolved parameters, after comparing the inputs with dvc.lock and emptying the folders `outs`.

    check_leaks: stop where a window of data/split contains events of another; for every stage that trains a model.
    A CarouselError ends the process with exit code 1 and only its message. The seconds between entry and exit go to
    run/timings/<name>.json: the stage's own work, without the start of the interpreter and DVC.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S")
    redact.install()
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns about each index that it writes
    crash_point(f"{name}:before")
    started = time.perf_counter()
    try:
        check_inputs(Path(), name)
        for out in outs:
            shutil.rmtree(out, ignore_errors=True)
            Path(out).mkdir(parents=True)
        if check_leaks:
            from components.evaluation.protocol import check_leakage

            check_leakage(Path("data/split"))
        yield params.load(RESOLVED)
    except CarouselError as error:
        sys.exit(f"{name}: {error}")
    timings = Path("run/timings")
    timings.mkdir(parents=True, exist_ok=True)
    (timings / f"{name}.json").write_text(json.dumps({"work_s": round(time.perf_counter() - started, 3)}))
    crash_point(f"{name}:after")


def write_metrics(folder: Path, metrics: dict[str, float]) -> None:
    """Write folder/metrics.json: flat and sorted, in the layout of dvclive; the flow sends it to MLflow."""
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True, allow_nan=True) + "\n")


def write_curve(folder: Path, name: str, values: list[float]) -> None:
    """Write folder/plots/metrics/<name>.tsv, one row per step, for names such as "train/loss" (layout of dvclive)."""
    path = folder / "plots" / "metrics" / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{step}\t{value:.6g}\n" for step, value in enumerate(values))
    path.write_text(f"step\t{name}\n{rows}")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file for `dvc plots`; floating-point values with 6 significant digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in rows)


def write_epochs(path: Path, columns: Sequence[str], curves: Mapping[str, list[float]]) -> None:
    """Write the curves of these names as one CSV file, a row per epoch; without curves it has its header alone."""
    series = [curves.get(name, []) for name in columns]
    header = ["epoch", *(name.replace("/", "_") for name in columns)]
    rows = (
        [epoch + 1, *(values[epoch] if epoch < len(values) else "" for values in series)]
        for epoch in range(max(map(len, series)))
    )
    write_table(path, header, rows)
