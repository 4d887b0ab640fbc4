"""Estimates from a file: known values, rows that are left out, and columns by name."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import ContractError
from components.experiments.policy_log_file import LogColumns, judge_file

CLICKS = np.array([0.1, 0.4])


def written(path: Path, n: int = 4000, **changes: object) -> Path:
    """Write a log: two actions, logged evenly; the target takes the second 9 times of 10."""
    rng = np.random.default_rng(1)
    action = rng.integers(0, 2, n)
    table = {
        "reward": (rng.random(n) < CLICKS[action]).astype(float),
        "propensity": np.full(n, 0.5),
        "target_propensity": np.array([0.1, 0.9])[action],
        "user_id": [f"u{i % 500}" for i in range(n)],
        "q": np.array([0.2, 0.3])[action],
        "v": np.full(n, 0.1 * 0.2 + 0.9 * 0.3),
    }
    pq.write_table(pa.table(table | changes), path, write_page_checksum=True)
    return path


def test_all_estimates_cover_the_truth(tmp_path: Path) -> None:
    columns = LogColumns(cluster="user_id", predictions="q,v")
    report = judge_file(written(tmp_path / "log.parquet"), columns, 0.05)
    assert report.decisions == 4000
    assert report.left_out == {}
    for estimate in (report.ips, report.snips, report.dr):
        assert estimate is not None
        assert estimate.low <= 0.1 * 0.1 + 0.9 * 0.4 <= estimate.high
    assert report.logging.low <= 0.25 <= report.logging.high
    assert report.gain.low <= 0.12 <= report.gain.high
    assert report.gain.low > 0


def test_without_predictions_there_is_no_doubly_robust_estimate(tmp_path: Path) -> None:
    report = judge_file(written(tmp_path / "log.parquet"), LogColumns(), 0.05)
    assert report.dr is None
    assert report.gain.value == pytest.approx(report.ips.value - report.logging.value)


def test_incomplete_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = "reward,propensity,target_propensity\n1,.5,.5\n0,.5,1\n,.5,.5\n1,0,.5\n1,2,.5\n1,.5,-1\nNaN,0,.5\n"
    (tmp_path / "log.csv").write_text(rows)
    report = judge_file(tmp_path / "log.csv", LogColumns(), 0.05)
    assert report.decisions == 2
    assert report.left_out == {
        "not a finite number": 2, "propensity is not in (0, 1]": 2, "target_propensity is not in [0, 1]": 1
    }  # fmt: skip
    assert report.ips.value == pytest.approx(0.5)


def test_refusals(tmp_path: Path) -> None:
    path = written(tmp_path / "log.parquet")
    with pytest.raises(ContractError, match="no column clicks"):
        judge_file(path, LogColumns(reward="clicks"), 0.05)
    with pytest.raises(ContractError, match="--predictions COLUMN,COLUMN"):
        judge_file(path, LogColumns(predictions="q"), 0.05)
    with pytest.raises(ContractError, match="column user_id: expected numbers"):
        judge_file(path, LogColumns(reward="user_id"), 0.05)
    with pytest.raises(ContractError, match="none of 3 rows is complete"):
        judge_file(written(tmp_path / "bad.parquet", 3, propensity=np.zeros(3)), LogColumns(), 0.05)
