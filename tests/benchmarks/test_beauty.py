"""The lower bound on Amazon Beauty: EASE with recency reaches NDCG@10 .043."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).with_name("bench_beauty.py")


@pytest.mark.slow
@pytest.mark.real_data
def test_ease_reaches_its_floor(real_data: Path) -> None:
    command = [sys.executable, str(BENCH), "--data", str(real_data / "amazon_beauty_2014"), "--models", "ease"]
    environment = {**os.environ, "PYTHONPATH": str(BENCH.parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| ease | file | any | 0.0" in done.stdout
