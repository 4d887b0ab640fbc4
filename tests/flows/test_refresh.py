"""The refresh flow on a toy checkout: the recipe that is fitted, the verdict, what ships, and when nothing is done."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.contracts import Decision
from components.errors import ContractError
from components.io import read_record
from components.release.history import History
from components.release.ledger import Ledger
from components.release.registry import Registry
from components.settings import Settings
from flows.workspace import open_workspace
from tests.flows.toy import stand_in

LATER = "2026-03-02T00:00:00+00:00"  # a day after the end of the simulated shop


def run(**parameters: Any) -> dict[str, Any]:
    """Run the flow as the command line does without Prefect."""
    from flows.refresh import refresh

    lines = [f'data.as_of="{LATER}"', *parameters.pop("overrides", [])]
    return dict(refresh.fn(overrides=lines, **parameters))


@pytest.fixture(scope="module")
def refreshed(
    first: tuple[Path, dict[str, Any]], server: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """Return a checkout after a retrain and a refresh that Prefect has recorded, and the state of the refresh."""
    from flows.refresh import refresh

    with pytest.MonkeyPatch.context() as patch:
        root = stand_in(first[0], tmp_path_factory.mktemp("refreshed") / "shop", patch)
        return root, refresh(overrides=[f'data.as_of="{LATER}"'], return_state=True)


@pytest.fixture
def shop(refreshed: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a copy of the checkout after the refresh."""
    return stand_in(refreshed[0], tmp_path / "shop", monkeypatch)


def serving(root: Path) -> int | None:
    workspace = open_workspace([], [], None)
    return Registry(Settings().resolved(root), workspace.params.release).aliases().get("champion")


def test_without_a_champion_there_is_nothing_to_refresh(checkout: Path) -> None:
    with pytest.raises(ContractError, match="--bootstrap"):
        run()
    assert serving(checkout) is None


def test_an_equal_model_on_newer_data_ships(shop: Path, refreshed: tuple[Path, Any]) -> None:
    from flows.tasks import unwrap

    outcome = unwrap(refreshed[1])
    assert (outcome["verdict"], outcome["promoted"], outcome["champion"]) == ("refresh", True, 2)
    decision = read_record(shop / "reports/decision.json", Decision, "decision")
    assert (decision.purpose, decision.champion and decision.champion.version) == ("refresh", 1)
    assert all(check.passed for check in decision.checks)
    assert Ledger(open_workspace([], [], None).shop).serving_stack()[-1].version == 2


def test_the_stages_get_the_recipe_and_not_the_shops_own_values(promoted: Path) -> None:
    run(overrides=["trainer.max_epochs=3", "models.ease.l2=77", "refresh.min_users=5"])
    resolved = yaml.safe_load((promoted / "run/params.yaml").read_text())
    assert resolved["models"]["ease"]["l2"] == 5
    assert resolved["trainer"]["max_epochs"] == 10
    assert resolved["selection"]["recommender"] == "ease"
    assert resolved["refresh"]["min_users"] == 5
    assert resolved["refresh"]["not_before"] == "1970-01-01T00:00:00.000001Z"  # the end of the champion's training
    assert resolved["evaluation"]["candidates"] == ["ease"]


def test_the_next_retrain_selects_again(shop: Path) -> None:
    from flows.tasks import resolve_params

    assert yaml.safe_load((shop / "run/params.yaml").read_text())["selection"] is not None
    resolve_params(open_workspace([], [], None))
    assert yaml.safe_load((shop / "run/params.yaml").read_text())["selection"] is None
    assert (shop / "run/recipe/note.txt").read_text().startswith("no recipe")


def test_a_worse_model_does_not_ship(promoted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_LOSS", "0.02")
    outcome = run()
    assert (outcome["verdict"], outcome["promoted"], outcome["champion"]) == ("keep", False, 1)
    assert any("shown to be worse" in reason for reason in outcome["reasons"])
    assert serving(promoted) == 1


def test_a_dry_run_ships_nothing(promoted: Path) -> None:
    outcome = run(gate_mode="dry_run")
    assert (outcome["verdict"], outcome["promoted"], outcome["champion"]) == ("refresh", False, 1)


@pytest.mark.usefixtures("shop")
def test_the_same_data_again_are_the_champion() -> None:
    outcome = run()
    assert (outcome["verdict"], outcome["promoted"], outcome["champion"]) == ("keep", False, 2)
    assert outcome["reasons"] == ["the champion is this bundle: same data, parameters and code"]


def test_within_a_day_of_the_champions_data_no_stage_runs(promoted: Path) -> None:
    from flows.refresh import refresh

    outcome = refresh.fn(overrides=['data.as_of="1970-01-01T12:00:00+00:00"'])
    assert (outcome["verdict"], outcome["stages"]) == ("keep", [])
    assert "nothing newer to learn" in outcome["reasons"][0]


def test_with_nothing_newer_the_days_that_no_run_has_scored_are_scored(
    promoted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.refresh.find_nothing_newer", lambda *_: "nothing newer to learn")
    assert run()["reasons"] == ["nothing newer to learn"]
    history = History(open_workspace([], [], None).shop)
    live = [(o.model, o.day) for o in history.outcomes() if o.window == "live"]
    assert live == [("champion", "2026-03-01"), ("popularity", "2026-03-01")]
    lock = (promoted / "dvc.lock").read_bytes()
    assert run()["notes"] == []
    assert (promoted / "dvc.lock").read_bytes() == lock


def test_prefect_shows_the_verdict_as_the_state(refreshed: tuple[Path, Any]) -> None:
    root, state = refreshed
    assert state.name == "Refreshed"
    assert json.loads((root / "reports/decision.json").read_bytes())["verdict"] == "refresh"
