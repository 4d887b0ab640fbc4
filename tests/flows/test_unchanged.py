"""What is answered without a run, and what is not."""

import json
from pathlib import Path

import pytest

from components.contracts import Decision
from flows import unchanged
from flows.workspace import open_workspace


def test_nothing_has_run_yet(checkout: Path) -> None:
    assert unchanged.unchanged_outcome([], [], None) is None


def test_nothing_changed_is_answered_without_a_stage(promoted: Path) -> None:
    lock = (promoted / "dvc.lock").read_bytes()
    outcome = unchanged.unchanged_outcome([], [], None)
    assert outcome is not None
    assert (outcome.verdict, outcome.code, outcome.champion, outcome.promoted) == ("keep", 2, 1, False)
    assert "the champion is this bundle" in outcome.reasons[0]
    assert not [s for s in outcome.stages if s.ran]
    assert (promoted / "dvc.lock").read_bytes() == lock


@pytest.mark.parametrize("change", ["trainer.max_epochs=3", "data.max_bad_share=0.5", "models.ease.l2=300"])
def test_a_changed_knob_is_work(promoted: Path, change: str) -> None:
    assert unchanged.unchanged_outcome([], [change], None) is None


def test_an_output_that_is_gone_is_work(promoted: Path) -> None:
    (promoted / "models/sequence/worth.txt").unlink()
    assert unchanged.unchanged_outcome([], [], None) is None


def stand(root: Path, **changes: object) -> None:
    """Let the last decision in the checkout have been another one, taken on these very files."""
    file = root / "reports/decision.json"
    decision = json.loads(file.read_text()) | changes
    file.write_text(Decision.model_validate(decision).model_dump_json())
    unchanged.write_stamp(root)


def test_a_verdict_stands_while_its_files_and_its_champion_do(promoted: Path) -> None:
    registry = open_workspace([], [], None).registry()
    serving = registry.ref(1).model_dump()
    stand(promoted, verdict="keep", champion=serving)
    kept = unchanged.valid_decision(promoted, registry)
    assert kept is not None
    assert kept.verdict == "keep"
    stand(promoted, verdict="keep", champion={**serving, "digest": "another"})
    assert unchanged.valid_decision(promoted, registry) is None
    stand(promoted, verdict="keep", champion=None)
    assert unchanged.valid_decision(promoted, registry) is None
    stand(promoted, verdict="promote", champion=serving)  # its promotion is still to come
    assert unchanged.valid_decision(promoted, registry) is None
    stand(promoted, verdict="promote", mode="dry_run", champion=serving)
    assert unchanged.valid_decision(promoted, registry) is not None


@pytest.mark.parametrize("name", ["run/params.yaml", "reports/evaluate/evaluation.json", "bundle/manifest.json"])
def test_a_verdict_falls_with_a_file_that_it_was_taken_on(promoted: Path, name: str) -> None:
    registry = open_workspace([], [], None).registry()
    stand(promoted, verdict="keep", champion=registry.ref(1).model_dump())
    with (promoted / name).open("a") as file:
        file.write(" ")
    assert unchanged.valid_decision(promoted, registry) is None
    (promoted / name).unlink()
    assert unchanged.valid_decision(promoted, registry) is None
