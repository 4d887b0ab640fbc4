"""Tables, exit codes and the sum of the time outside the stages."""

from pathlib import Path
from typing import Any

import pytest

from components.contracts import Evaluation
from components.release.versioning import StageRun
from flows import outcome
from flows.outcome import Outcome


def evaluation(**test: dict[str, float]) -> Evaluation:
    return Evaluation(
        as_of="2026-03-01T00:00:00+00:00", protocol="global_time", window=("2026-02-15", "2026-03-01"),
        simulated=True, n_users=200, n_items=20, primary="ndcg_at_10", challenger="ease",
        baselines=["popularity"], champion=None, champion_saw_test=False, validation=test, test=test, slices=[],
        overfit_gap={},
    )  # fmt: skip


@pytest.fixture
def measured() -> Evaluation:
    return evaluation(
        popularity={"ndcg_at_10": 0.02, "ndcg_at_5": 0.01, "recall_at_10": 0.1},
        champion={"ndcg_at_10": 0.25, "ndcg_at_5": 0.2, "recall_at_10": 0.3},
        ease={"ndcg_at_10": 0.2, "ndcg_at_5": 0.1, "recall_at_10": 0.4},
    )


def result(**changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "verdict": "keep", "reasons": ["[red]no better[/red]"], "promoted": False, "challenger_version": 4,
        "champion": 3, "report": "reports/evaluate/report.html", "drifted": False, "seconds": 12.3, "overhead_s": 2.3,
        "overhead": {"Prefect": 2.3}, "stages": [StageRun(name="fit", ran=True, seconds=9, work_s=8)], "notes": [],
    }  # fmt: skip
    return Outcome(**values | changes)


@pytest.mark.parametrize(("verdict", "code"), [("promote", 0), ("keep", 2), ("not_enough_evidence", 3)])
def test_exit_codes(verdict: str, code: int) -> None:
    assert result(verdict=verdict).code == code


def test_every_verdict_has_a_name_in_prefect() -> None:
    assert {verdict for verdict, _ in outcome.STATES} == set(outcome.CODES)


def test_metrics_are_best_first_at_the_primary_k(measured: Evaluation) -> None:
    rows = outcome.metrics_table(measured)
    assert [(r["model"], r["role"]) for r in rows] == [
        ("champion", "champion"), ("ease", "challenger"), ("popularity", "baseline"),
    ]  # fmt: skip
    assert list(rows[1].items())[2:] == [("ndcg@10", "0.2000"), ("recall@10", "0.4000")]


def test_differences_are_challenger_minus_the_others(measured: Evaluation) -> None:
    (row,) = [r for r in outcome.differences(measured) if r["metric"] == "ndcg_at_10"]
    assert row == {
        "metric": "ndcg_at_10", "ease": "0.2000", "against champion": "-0.0500", "against popularity": "+0.1800",
    }  # fmt: skip


def test_overhead_is_the_time_outside_the_stages_work() -> None:
    stages = [
        StageRun(name="fit", ran=True, seconds=10.0, work_s=7.0),
        StageRun(name="split", ran=False, seconds=1, work_s=0),
    ]
    parts = outcome.overhead(20.0, stages, {"gate": 3.0})
    assert parts == {"DVC and interpreter starts": 4.0, "gate": 3.0, "Prefect, imports and the rest": 6.0}
    assert sum(parts.values()) == pytest.approx(20.0 - 7.0)


def test_show_prints_verdict_reasons_and_time_by_part(
    measured: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "reports/evaluate/evaluation.json"
    file.parent.mkdir(parents=True)
    file.write_text(measured.model_dump_json())
    outcome.show(result(notes=["not sent"]), tmp_path)
    text = capsys.readouterr().out
    for part in ("keep", "[red]no better[/red]", "version 3", "report.html", "not sent", "12 s", "Prefect 2.3 s"):
        assert part in text
    assert "simulated shop, 200 users" in text
    assert "hit_rate" not in text  # a metric that was not measured has no column
