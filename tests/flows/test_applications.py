"""Applications in the flows: after the model, alone, disabled, and failed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.applications.publish import find_published
from components.params import load
from flows import tasks
from flows.applications import application, run_applications
from flows.retrain import retrain
from flows.workspace import locked_workspace, open_workspace

ENABLED = "inventory.enabled=true"


def run(*overrides: str) -> dict[str, Any]:
    return dict(retrain.fn(overrides=list(overrides)))


def published(root: Path) -> Path | None:
    shop = open_workspace([], [], None).settings.shop(load(root / "params.yaml").release.name)
    return find_published(shop, "inventory")


def test_a_disabled_application_is_no_stage_of_a_run(first: tuple[Path, dict[str, Any]]) -> None:
    _, outcome = first
    assert "inventory" not in [stage["name"] for stage in outcome["stages"]]


def test_an_enabled_application_runs_after_the_model_and_is_published(checkout: Path) -> None:
    outcome = run(ENABLED)
    assert outcome["stages"][-1]["name"] == "inventory"
    assert "inventory: its model ships: a toy" in outcome["notes"]
    folder = published(checkout)
    assert folder is not None
    assert json.loads((folder / "record.json").read_bytes())["ships"] == "model"


def test_an_application_that_fails_leaves_what_is_published(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    application.fn("inventory")
    before = published(checkout)
    monkeypatch.setenv("FAIL_AT", "inventory")
    with locked_workspace([], [ENABLED], datetime(2026, 2, 27, tzinfo=UTC), "a test") as workspace:
        for stage in ("resolve", "ingest"):
            tasks.run_stage.fn(workspace, stage)
        stages, notes = run_applications(workspace)
    assert (stages, notes) == ([], ["inventory: not published: inventory: expected 3 rows, came 2"])
    assert published(checkout) == before


def test_an_application_runs_alone_with_the_stages_that_it_needs(checkout: Path) -> None:
    done = application.fn("inventory")
    assert [stage["name"] for stage in done["stages"]] == ["resolve", "ingest", "inventory"]
    assert done["record"]["ships"] == "model"
    assert published(checkout) is not None
    assert not (checkout / "bundle").exists()
