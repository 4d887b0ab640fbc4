"""Promotion and rollback, called from the command line and from Prefect."""

import json
from pathlib import Path

import pytest

from components.errors import ReleaseError
from flows.outcome import SAME_BUNDLE
from flows.release import promote, rollback
from flows.retrain import retrain
from flows.workspace import open_workspace


def champion() -> int:
    version = open_workspace([], [], None).registry().alias("champion")
    assert version
    return version.number


@pytest.mark.slow
def test_a_promotion_is_rolled_back_and_repeated(promoted: Path) -> None:
    assert retrain.fn(max_epochs=30, gate_mode="dry_run")["champion"] == 1
    with pytest.raises(ReleaseError, match="dry_run"):
        promote.fn()
    outcome = retrain.fn(max_epochs=30)
    assert (outcome["champion"], champion()) == (2, 2)
    assert promote.fn()["version"] == 2  # the same decision again changes nothing
    assert rollback.fn()["version"] == 1
    assert champion() == 1
    decision = str(promoted / "reports/decision.json")
    with pytest.raises(ReleaseError, match="version 2 was rolled back"):  # although the compared version 1 serves
        promote.fn(decision)
    again = retrain.fn(max_epochs=30)
    assert (again["verdict"], again["champion"]) == ("keep", 1)
    assert "never rolled back" in again["reasons"][0]
    assert rollback.fn(to=2)["version"] == 2
    assert json.loads((promoted / ".carousel/shops/carousel/decision.json").read_text())["challenger_version"] == 2
    assert retrain.fn(max_epochs=30)["reasons"] == [SAME_BUNDLE]


def test_a_decision_that_was_edited_is_refused(promoted: Path) -> None:
    file = promoted / "reports/decision.json"
    decision = json.loads(file.read_text())
    decision["challenger_digest"] = "0" * 64
    file.write_text(json.dumps(decision))
    with pytest.raises(ReleaseError):
        promote.fn(str(file))
    assert champion() == 1


def test_promote_and_rollback_in_flow_runs(promoted: Path, server: None) -> None:
    assert promote()["version"] == 1
    with pytest.raises(ReleaseError, match="roll back"):
        rollback()


@pytest.mark.slow
def test_each_shop_of_a_machine_has_its_own_champion(promoted: Path) -> None:
    other = ['release.name="other-shop"']
    assert retrain.fn(overrides=other, bootstrap=True)["champion"] == 1
    with pytest.raises(ReleaseError, match="nothing to roll back to"):
        rollback.fn(overrides=other)  # although the first shop's version 1 served before
    assert promote.fn(overrides=other)["version"] == 1
    assert retrain.fn(max_epochs=30, overrides=other)["champion"] == 2
    assert rollback.fn(overrides=other)["version"] == 1
    assert champion() == 1
    assert promote.fn()["version"] == 1  # the first shop's own newest decision, done already
