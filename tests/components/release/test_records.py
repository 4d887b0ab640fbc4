import logging
import math
from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.release.records import flatten_params, list_reports, read_curves, select_finite

ROOT = Path(__file__).parents[3]


def test_parameters_are_flattened_and_short_enough() -> None:
    flat = flatten_params(ROOT / "params.yaml")
    assert flat["trainer.max_epochs"] == "10"
    assert flat["evaluation.ks"] == "[5, 10, 20]"
    assert flat["data.sources"].startswith('{"events"')
    assert not any(key.startswith("data.sources.") for key in flat)


def test_metrics_behind_a_verdict_must_be_finite() -> None:
    assert select_finite({"test/a": 1, "fit/seconds": 2.5}) == {"test/a": 1.0, "fit/seconds": 2.5}
    for name in ("test/a", "validation/a", "evaluate/test/a"):
        with pytest.raises(ReleaseError, match=name):
            select_finite({name: math.inf, "fit/x": math.nan})


def test_other_metrics_are_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert select_finite({"test/a": 1.0, "drift/price": math.nan}) == {"test/a": 1.0}
    assert "drift/price" in caplog.text


def test_curves_are_read_by_name(run_folder: Path) -> None:
    assert read_curves(run_folder / "reports") == {"finetune": {"train/loss": [3.5, 2.5, 1.25]}}


def test_row_level_tables_are_not_uploaded(run_folder: Path) -> None:
    names = list_reports(run_folder / "reports")
    assert names == ["evaluate/evaluation.json", "evaluate/report.html", "finetune/plots/metrics/train/loss.tsv"]
