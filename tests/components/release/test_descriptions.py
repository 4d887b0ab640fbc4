"""What MLflow's pages say about a version, before and after a decision."""

import pytest

from components.contracts import ChampionRef, Interval
from components.release.descriptions import describe_version, status_of
from components.release.promotion import read_decision
from components.release.registry import Registry
from tests.components.release.support import Decide, Registered, evaluation_of


def row(registry: Registry, number: int) -> tuple[str, str]:
    found = registry.connection.client.get_model_version(registry.name, str(number))
    return found.description, found.tags["validation_status"]


def test_a_decision_is_shown_with_reasons_window_and_links(registered: Registered, decide: Decide) -> None:
    registry = registered[0]
    text, status = row(registry, 2)
    assert (text.startswith("**Not judged yet.** ease, on data up to 2026-03-01"), status) == (True, "pending")
    decision, _ = read_decision(decide(2))
    registry.describe(2, decision, evaluation_of(None))
    text, status = row(registry, 2)
    assert text.startswith("**promote**: retrain, compared with no champion.")
    assert status == "approved"
    assert all(f"- {reason}\n" in text for reason in decision.reasons)
    run_id = registry.version(2).run_id
    assert f"runs/{run_id}/artifacts/reports/evaluate/report.html)" in text
    assert registry.connection.client.get_run(run_id).data.tags["mlflow.note.content"] == text
    about = registry.connection.client.get_registered_model(registry.name).description
    assert "models:/carousel@champion" in about


@pytest.mark.parametrize(
    ("verdict", "status"),
    [("promote", "approved"), ("refresh", "approved"), ("keep", "rejected"), ("not_enough_evidence", "inconclusive")],
)
def test_the_status_follows_the_verdict(decide: Decide, verdict: str, status: str) -> None:
    decision, _ = read_decision(decide(1))
    interval = Interval(gain=0.01, low=-0.02, high=0.04, n_users=90)
    changed = decision.model_copy(update={"verdict": verdict, "gain": interval, "mode": "dry_run"})
    assert status_of(changed) == status
    text = describe_version(changed, evaluation_of(None), "#/x")
    assert "(gate.mode dry_run)" in text
    assert "Gain over the best simple model +0.0100 (-0.0200 to +0.0400)" in text
    champion = ChampionRef.model_construct(version=3)
    text = describe_version(changed.model_copy(update={"champion": champion}), evaluation_of(None), "#/x")
    assert "Gain over version 3 +0.0100" in text
