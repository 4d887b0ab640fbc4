"""What tasks add to the calls: states, retries of transient errors, complete records."""

import json
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, task

from components.errors import CarouselError, QualityError, ReleaseError, StageError, StaleDecisionError
from flows import tasks
from flows.workspace import Workspace, open_workspace


def quick(workspace: Workspace, retries: int = 2) -> Workspace:
    bounds = workspace.params.flows.model_copy(update={"retries": retries, "retry_delay_s": 0})
    return Workspace(**{**workspace.__dict__, "params": workspace.params.model_copy(update={"flows": bounds})})


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (ReleaseError("registry: no answer"), 3),
        (OSError("disk"), 3),
        (StageError("ingest: 30 % bad rows"), 1),
        (StaleDecisionError("another champion"), 1),
        (QualityError("bad rows"), 1),
        (ZeroDivisionError("a bug"), 1),
    ],
)
def test_only_transient_errors_are_retried(checkout: Path, server: None, fault: Exception, tries: int) -> None:
    calls = []

    @task
    def fails() -> None:
        calls.append(1)
        raise fault

    @flow
    def run() -> None:
        tasks.call_task(tasks.with_retries(fails, quick(open_workspace([], [], None))))

    with pytest.raises(type(fault), match=str(fault)):
        run()
    assert len(calls) == tries


def test_without_prefect_a_task_is_the_plain_function(checkout: Path) -> None:
    @task
    def add(a: int, b: int) -> int:
        return a + b

    assert not tasks.in_flow_run()
    assert tasks.call_task(add, 1, b=2) == 3


def test_a_stage_that_dvc_skips_has_the_state_cached(promoted: Path, server: None) -> None:
    @flow
    def run() -> Any:
        state = tasks.run_stage(open_workspace([], [], None), "split", return_state=True)
        return state.name, tasks.unwrap(state)

    name, done = run()
    assert name == "Cached"
    assert (done.name, done.ran) == ("split", False)


def test_a_skipped_stage_is_still_in_the_record(promoted: Path) -> None:
    registry = open_workspace([], [], None).registry()
    assert registry.version(1).metrics["events"] == 3.0
    (promoted / "reports/decision.json").write_text("{}")
    assert tasks.register.fn(open_workspace([], [], None)) == 1  # the same bundle is the same version
    assert not (promoted / "reports/decision.json").exists()  # an old verdict does not belong to this version


def test_the_decision_is_stored_with_the_version_and_in_home(promoted: Path, tmp_path: Path) -> None:
    registry = open_workspace([], [], None).registry()
    here = json.loads((promoted / "reports/decision.json").read_bytes())
    kept = registry.download_artifact(1, "reports/decision.json", tmp_path / "record")
    assert json.loads(kept.read_bytes()) == here
    assert json.loads((promoted / ".carousel/shops/carousel/decision.json").read_bytes()) == here


def test_a_tampered_bundle_is_not_registered(promoted: Path) -> None:
    file = promoted / "bundle/items.parquet"
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.write_bytes(content)
    with pytest.raises(CarouselError, match=r"items\.parquet"):
        tasks.register.fn(open_workspace([], [], None))
