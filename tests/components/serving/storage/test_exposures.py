"""Exposures: complete files in the columns of events, a bounded queue, nothing left in memory after a stop."""

from pathlib import Path
from threading import Event

import pyarrow.parquet as pq
import pytest

from components.contracts import EVENT_COLUMNS
from components.serving.metrics import ServiceMetrics
from components.serving.storage import exposures as module
from components.serving.storage.exposures import Exposure, ExposureLog


def make_exposure(n: int, request: str = "r") -> Exposure:
    return Exposure("ann", [f"i{p}" for p in range(1, n + 1)], 10**15, None, request, "/recommend", 3, None, None)


def read(folder: Path) -> list[dict]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_a_stop_writes_everything(tmp_path: Path) -> None:
    log = ExposureLog(tmp_path / "shown", 5, 60, 100, ServiceMetrics())
    log.start()
    for n in range(4):
        log.add(make_exposure(3, f"r{n}"))
    log.stop()
    rows = read(tmp_path / "shown")
    assert len(rows) == 12
    assert [r["position"] for r in rows if r["request_id"] == "r2"] == [1, 2, 3]
    assert set(EVENT_COLUMNS) - {"consent"} <= set(rows[0])
    assert rows[0]["timestamp"].isoformat() == "2001-09-09T01:46:40+00:00"
    assert not list((tmp_path / "shown").glob(".*"))
    assert log.metrics.registry.get_sample_value("carousel_exposures_total") == 12


def test_lists_beyond_the_bound_are_dropped_whole_and_counted(tmp_path: Path) -> None:
    log = ExposureLog(tmp_path / "shown", 1000, 60, 7, ServiceMetrics())
    for n in range(3):
        log.add(make_exposure(3, f"r{n}"))
    log.start()
    log.stop()
    assert [r["request_id"] for r in read(tmp_path / "shown")] == ["r0"] * 3 + ["r1"] * 3
    assert log.metrics.registry.get_sample_value("carousel_exposures_dropped_total") == 3


def test_a_full_disk_delays_exposures_and_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refused, written = module.write_exposures, [], Event()

    def refuse_twice(path: Path, rows: list[Exposure]) -> None:
        if len(refused) < 2:
            refused.append(path)
            raise OSError(28, "No space left on device")
        real(path, rows)
        written.set()

    monkeypatch.setattr(module, "write_exposures", refuse_twice)
    log = ExposureLog(tmp_path / "shown", 2, 0.02, 100, ServiceMetrics())
    log.start()
    log.add(make_exposure(5))
    assert written.wait(60)
    log.stop()
    assert len(refused) == 2
    assert [r["position"] for r in sorted(read(tmp_path / "shown"), key=lambda r: r["position"])] == [1, 2, 3, 4, 5]
