"""The search as a run: trials as tasks, records in MLflow, and tuned values that the next retrain starts from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.release.lock import exclusive_lock
from components.release.registry import Registry
from components.settings import Settings
from flows import cli
from flows.workspace import open_workspace
from tests.flows.toy import stand_in

SMALL = [
    "recommend.exclude_seen=false",  # the toy's validation window repeats its train window
    "tune.models=[ease, content]",
    "tune.trials=3",
    "tune.startup_trials=2",
    "tune.space={models.ease.l2: {low: 0.01, high: 100, log: true}, models.content.recency: {low: 0.4, high: 0.9}}",
    "evaluation.baselines=[popularity]",
    "evaluation.candidates=[content, ease, hybrid]",
]
SETS = [word for line in SMALL for word in ("--set", line)]


def search(*lines: str, **parameters: Any) -> dict[str, Any]:
    """Run the flow as the command line does without Prefect."""
    from flows.tune import tune

    return dict(tune.fn(overrides=[*SMALL, *lines], **parameters))


def runs(root: Path) -> dict[str, Any]:
    """Return the runs of the search in MLflow by name, without those of trainings whose model has no version yet."""
    registry = Registry(Settings().resolved(root), open_workspace([], [], None).params.release)
    found = registry.connection.client.search_runs([registry.runs.experiment_id()], max_results=100)
    return {run.info.run_name: run for run in found if "training" not in run.data.tags}


@pytest.fixture(scope="module")
def in_flow_run(
    fresh: Path, server: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Return a checkout after a search that Prefect has recorded, and the search's result."""
    from flows.tasks import unwrap
    from flows.tune import tune

    with pytest.MonkeyPatch.context() as patch:
        root = stand_in(fresh, tmp_path_factory.mktemp("tuned") / "shop", patch)
        yield root, unwrap(tune(overrides=SMALL))


@pytest.fixture
def tuned(in_flow_run: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a copy of the checkout after its search."""
    return stand_in(in_flow_run[0], tmp_path / "shop", monkeypatch)


def knob(workspace: Any) -> float:
    return float(workspace.params.models.ease.l2)


def test_better_parameters_become_an_overlay_with_their_origin(in_flow_run: tuple[Path, dict[str, Any]]) -> None:
    root, result = in_flow_run
    ease, content = result["models"]
    assert (ease["wins"], content["wins"], result["complete"]) == (True, False, True)
    assert ease["gain"]["low"] > 0
    assert ease["values"]["models.ease.l2"] < 100 < ease["before"]["models.ease.l2"] == 200
    text = Path(result["overlay"]).read_text()
    assert Path(result["overlay"]) == root / ".carousel/shops/carousel/tuned.yaml"
    assert yaml.safe_load(text) == {"models": {"ease": {"l2": ease["values"]["models.ease.l2"]}}}
    assert f"# ease: MLflow run {result['run']}; models.ease.l2 200 -> " in text


def test_prefect_records_a_task_per_trial_with_its_value(in_flow_run: tuple[Path, dict[str, Any]]) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        flow_run = next(r for r in client.read_flow_runs() if r.name == "tune")
        tasks = {t.name: t for t in client.read_task_runs() if t.flow_run_id == flow_run.id}
        keys = {a.key for a in client.read_artifacts() if a.flow_run_id == flow_run.id}
    assert {f"{model} {number}" for model in ("ease", "content") for number in range(4)} <= set(tasks)
    assert "ease, trial 2: ndcg_at_10 0." in (tasks["ease 2"].state.message or "")
    assert {"tune", "progress"} <= keys
    assert flow_run.state is not None
    assert flow_run.state.message == "better: ease"


def test_mlflow_records_the_search_with_its_trials(
    in_flow_run: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, result = in_flow_run
    monkeypatch.chdir(root)
    monkeypatch.setenv("CAROUSEL_HOME", str(root / ".carousel"))
    found = runs(root)
    assert len(found) == 9  # the search, and four trials per model
    parent = found.pop("tune")
    assert parent.info.run_id == result["run"]
    assert (parent.info.status, parent.data.tags["ease"]) == ("FINISHED", "better")
    assert {run.data.tags["mlflow.parentRunId"] for run in found.values()} == {parent.info.run_id}
    best = result["models"][0]
    run = found[f"ease {best['number']}"].data
    assert run.metrics["validation/ndcg_at_10"] == pytest.approx(best["best"])
    assert float(run.params["models.ease.l2"]) == best["values"]["models.ease.l2"]


@pytest.mark.slow
def test_a_retrain_uses_and_reports_tuned_values(tuned: Path, caplog: pytest.LogCaptureFixture) -> None:
    from flows.retrain import retrain

    found = yaml.safe_load((tuned / ".carousel/shops/carousel/tuned.yaml").read_text())["models"]["ease"]["l2"]
    caplog.set_level("INFO")
    outcome = retrain.fn(bootstrap=True)
    assert yaml.safe_load((tuned / "run/params.yaml").read_text())["models"]["ease"]["l2"] == found
    assert "starts from tuned values: ease: MLflow run" in caplog.text
    registry = open_workspace([], [], None).registry()
    version = registry.connection.client.get_model_version(registry.name, str(outcome["challenger_version"]))
    assert version.tags["tuned"].startswith("ease: MLflow run")

    outcome = retrain.fn(untuned=True, max_epochs=30, gate_mode="dry_run")
    assert yaml.safe_load((tuned / "run/params.yaml").read_text())["models"]["ease"]["l2"] == 200
    assert cli.run(["decide"]) in (0, 2)  # on the reports of the untuned run
    version = registry.connection.client.get_model_version(registry.name, str(outcome["challenger_version"]))
    assert (version.version, "tuned" in version.tags) == (2, False)


def test_tuned_values_override_the_shops_overlay_but_not_overrides(tuned: Path) -> None:
    (tuned / "shop.yaml").write_text("models: {ease: {l2: 300, recency: 0.5}}\n")
    workspace = open_workspace(["shop.yaml"], [], None)
    assert knob(workspace) < 100
    assert workspace.params.models.ease.recency == 0.5
    assert workspace.env["CAROUSEL_PARAMS"].endswith(f"shop.yaml:{tuned}/.carousel/shops/carousel/tuned.yaml")
    assert knob(open_workspace(["shop.yaml"], ["models.ease.l2=5"], None)) == 5
    assert knob(open_workspace(["shop.yaml"], [], None, untuned=True)) == 300
    assert knob(open_workspace(["shop.yaml"], ["release.name=another-shop"], None)) == 300  # not tuned


def test_the_stage_resolve_alone_uses_tuned_values(tuned: Path) -> None:
    from components.stages.resolve import main

    main()
    assert yaml.safe_load((tuned / "run/params.yaml").read_text())["models"]["ease"]["l2"] < 100


def test_the_next_search_starts_from_tuned_values(tuned: Path) -> None:
    before = knob(open_workspace([], [], None))
    result = search("tune.trials=1")
    assert result["models"][0]["before"]["models.ease.l2"] == before
    assert result["models"][1]["n_trials"] == 3  # the trials of content are reused: their inputs have not changed


def test_reset_removes_tuned_values(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["tune", "--reset", "--json"]) == 0
    assert capsys.readouterr().out == '{"removed": true}\n'
    assert knob(open_workspace([], [], None)) == 200
    assert cli.run(["tune", "--reset"]) == 0
    assert "False" in capsys.readouterr().out


def test_a_search_that_ran_out_of_time_is_continued(checkout: Path) -> None:
    first = search("tune.max_minutes=0.00001")
    assert not first["complete"]
    assert [row["n_trials"] for row in first["models"]] == [0, 0]
    second = search()
    assert (second["complete"], second["run"]) == (True, first["run"])
    assert len(runs(checkout)) == 9


def test_a_concurrent_search_is_refused(checkout: Path) -> None:
    from components.errors import BusyError

    with (
        exclusive_lock(checkout / ".carousel/retrain.lock", "a retrain"),
        pytest.raises(BusyError, match="start a search again"),
    ):
        search()


def test_the_command_line_prints_table_and_curve(
    tuned: Path, unrecorded: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["tune", "--set", "tune.trials=1", *SETS]) == 0
    out = capsys.readouterr().out
    assert "best content" in out
    assert "search        complete" in out
    assert cli.run(["curve", "--set", "tune.label_shares=[0.1, 1]", *SETS]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:3] for line in out.splitlines()[1:3]] == [["popularity", "10", "%"], ["content", "10", "%"]]
    assert (tuned / "reports/curve/curve.svg").is_file()
