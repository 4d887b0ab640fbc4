"""From outcomes to a verdict, and which bundle a verdict blocks."""

import json
from pathlib import Path

import pytest

from components.experiments.decision import ExperimentDecision, decide, losing_experiment
from components.experiments.definition import Experiment
from components.experiments.outcomes import Outcomes
from components.io import read_record, write_record

from .support import START, make_outcomes


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (make_outcomes(4000, (0.1, 0.2)), "better"),
        (make_outcomes(4000, (0.2, 0.1)), "worse"),
        (make_outcomes(4000, (0.1, 0.1)), "no difference shown"),
        (make_outcomes(60, (0.1, 0.9)), "not enough evidence"),
        (make_outcomes(4000, (0.1, 0.2), (0.4, 0.6)), "sample ratio mismatch"),
        (make_outcomes(0, (0.1, 0.1)), "not enough evidence"),
    ],
)
def test_verdicts(experiment: Experiment, outcomes: Outcomes, verdict: str) -> None:
    decision = decide(experiment, outcomes, START)
    assert decision.verdict == verdict
    assert decision.reasons
    assert [arm.version for arm in decision.arms] == [1, 2]
    assert type(decision).model_validate_json(decision.model_dump_json()) == decision


def test_losing_experiment_names_the_experiment_that_a_bundle_lost(experiment: Experiment, tmp_path: Path) -> None:
    for name, bundles, rates in (("a", ("x", "y"), (0.2, 0.1)), ("b", ("x", "z"), (0.1, 0.2))):
        change = {"name": name, "bundles": dict(zip(("control", "new"), bundles, strict=True))}
        decision = decide(experiment.model_copy(update=change), make_outcomes(4000, rates), START)
        write_record(tmp_path / f"{name}.decision.json", decision)
    assert losing_experiment(tmp_path, "y") == "a"
    assert losing_experiment(tmp_path, "x") is None
    assert losing_experiment(tmp_path, "z") is None
    assert losing_experiment(tmp_path / "nowhere", "y") is None


def test_the_verdict_of_version_0_1_is_read_under_its_present_name(experiment: Experiment, tmp_path: Path) -> None:
    decision = decide(experiment, make_outcomes(4000, (0.1, 0.2), (0.4, 0.6)), START)
    old = json.loads(decision.model_dump_json()) | {"verdict": "broken ratio"}
    (tmp_path / "spring.decision.json").write_text(json.dumps(old))
    assert read_record(tmp_path / "spring.decision.json", ExperimentDecision, "experiment_decision") == decision
