"""When an outcome is returned without a run, and when not."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.contracts import Decision
from components.release import outcomes
from components.release.history import History
from components.stages.resolve import resolve
from flows import unchanged
from flows.retrain import keep_report
from flows.workspace import open_workspace


def test_no_outcome_before_the_first_run(checkout: Path) -> None:
    assert unchanged.unchanged_outcome([], [], None) is None


def test_an_unchanged_outcome_is_returned_without_running_a_stage(promoted: Path) -> None:
    lock = (promoted / "dvc.lock").read_bytes()
    outcome = unchanged.unchanged_outcome([], [], None)
    assert outcome is not None
    assert (outcome.verdict, outcome.code, outcome.champion, outcome.promoted) == ("keep", 2, 1, False)
    assert "the champion is this bundle" in outcome.reasons[0]
    assert not [s for s in outcome.stages if s.ran]
    assert (promoted / "dvc.lock").read_bytes() == lock


@pytest.mark.parametrize("change", ["trainer.max_epochs=3", "data.max_bad_share=0.5", "models.ease.l2=300"])
def test_a_changed_parameter_needs_a_run(promoted: Path, change: str) -> None:
    assert unchanged.unchanged_outcome([], [change], None) is None


def test_a_missing_output_needs_a_run(promoted: Path) -> None:
    (promoted / "models/sequence/worth.txt").unlink()
    assert unchanged.unchanged_outcome([], [], None) is None


def test_a_retrain_whose_recipe_was_refreshed_is_recognised(promoted: Path) -> None:
    """The refresh has replaced parameters and outputs of the retrain in the checkout."""
    workspace = open_workspace([], [], None)
    inputs = unchanged.read_inputs(promoted)
    report = keep_report(promoted)
    unchanged.write_refreshed(workspace, inputs)
    for name in ("run/params.yaml", "data/split/split.json"):
        (promoted / name).write_text("of the refresh")
    outcome = unchanged.unchanged_outcome([], [], None)
    assert outcome is not None
    assert (outcome.verdict, outcome.code, outcome.champion) == ("keep", 2, 1)
    assert outcome.reasons == [unchanged.REFRESHED]
    assert outcome.report == str(promoted / report)
    assert unchanged.unchanged_outcome([], ["trainer.max_epochs=3"], None) is None
    resolve(promoted, [], [])
    assert unchanged.is_refreshed(workspace)
    workspace.registry().move("champion", None)
    assert not unchanged.is_refreshed(workspace)


def test_days_that_no_run_has_scored_are_scored_once(promoted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace([], [], datetime(2026, 3, 2, tzinfo=UTC))
    assert unchanged.score_pending(workspace) == []
    history = History(workspace.shop)
    assert {o.day for o in history.outcomes() if o.window == "live"} == {"2026-03-01"}
    monkeypatch.setattr(outcomes, "score_served", lambda *_: pytest.fail("scored twice"))
    assert unchanged.score_pending(workspace) == []


def stand(root: Path, **changes: object) -> None:
    """Replace the last decision by a changed one, made on the same files."""
    file = root / "reports/decision.json"
    decision = json.loads(file.read_text()) | changes
    file.write_text(Decision.model_validate(decision).model_dump_json())
    unchanged.write_stamp(root)


def test_a_verdict_is_valid_while_its_files_and_its_champion_are_unchanged(promoted: Path) -> None:
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
    stand(promoted, verdict="promote", champion=serving)  # its promotion is still pending
    assert unchanged.valid_decision(promoted, registry) is None
    stand(promoted, verdict="promote", mode="dry_run", champion=serving)
    assert unchanged.valid_decision(promoted, registry) is not None


@pytest.mark.parametrize("name", ["run/params.yaml", "reports/evaluate/evaluation.json", "bundle/manifest.json"])
def test_a_verdict_is_invalid_once_one_of_its_files_changes(promoted: Path, name: str) -> None:
    registry = open_workspace([], [], None).registry()
    stand(promoted, verdict="keep", champion=registry.ref(1).model_dump())
    with (promoted / name).open("a") as file:
        file.write(" ")
    assert unchanged.valid_decision(promoted, registry) is None
    (promoted / name).unlink()
    assert unchanged.valid_decision(promoted, registry) is None


@pytest.mark.slow
def test_a_request_for_a_first_champion_is_not_answered_by_a_decision_made_without_it(checkout: Path) -> None:
    """`carousel retrain`, which finds that nothing serves, and then `carousel retrain --bootstrap`."""
    from flows.retrain import retrain

    first = retrain.fn()
    assert (first["verdict"], first["promoted"]) == ("keep", False)
    again = unchanged.unchanged_outcome([], [], None)
    assert again is not None
    assert again.reasons == first["reasons"]
    assert unchanged.unchanged_outcome([], [], None, bootstrap=True) is None
    second = retrain.fn(bootstrap=True)
    assert (second["verdict"], second["promoted"], second["champion"]) == ("promote", True, 1)
    assert [s["name"] for s in second["stages"] if s["ran"]] == []


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b'{"reports/dec\xff'])
def test_cut_files_cost_a_new_decision_and_nothing_else(promoted: Path, content: bytes) -> None:
    from flows.retrain import retrain

    changed = ["trainer.max_epochs=5"]
    assert retrain.fn(overrides=changed)["verdict"] == "keep"
    for name in ("run/decided.json", "run/params.yaml", "champion/champion.json"):
        (promoted / name).write_bytes(content)
        assert unchanged.unchanged_outcome([], changed, None) is None or name == "run/params.yaml", name
    assert retrain.fn(overrides=changed)["verdict"] == "keep"
    assert (promoted / "champion/champion.json").read_text().startswith("{")
    again = unchanged.unchanged_outcome([], changed, None)
    assert again is not None
    assert again.verdict == "keep"
