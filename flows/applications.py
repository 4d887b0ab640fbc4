"""Applications: their stages after the shop's model is judged, what they publish, and the flow that runs one alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from prefect import flow

from components.applications.record import ApplicationRecord, enabled_applications
from components.contracts import Record
from components.errors import BusyError, CarouselError
from components.release import versioning
from components.release.versioning import StageRun
from flows import tasks
from flows.passes import cancel_when_busy, deployed_run_info, warm_workspace
from flows.tasks import call_task, with_retries
from flows.workspace import Workspace, locked_workspace

Application = Literal["ads", "inventory", "marketing"]


class ApplicationOutcome(Record):
    """The result of a flow run of one application."""

    record: ApplicationRecord
    report: str  # path of the HTML report
    stages: list[StageRun]


def run_applications(workspace: Workspace) -> tuple[list[StageRun], list[str]]:
    """Run and publish all enabled applications; return their stages, and notes for the run.

    An error of an application ends no run: what it has published stays, and a note says why.
    """
    stages: list[StageRun] = []
    notes: list[str] = []
    enabled = enabled_applications(workspace.params)
    if not enabled:
        return stages, notes
    with warm_workspace(workspace) as warm:
        for name in enabled:
            try:
                stages.append(call_task(with_retries(tasks.run_stage, workspace), warm, name))
                notes.append(describe_record(call_task(tasks.publish_application, workspace, name)))
            except CarouselError as error:
                tasks.log.warning("%s: not published: %s", name, error)
                notes.append(f"{name}: not published: {error}")
    return stages, notes


def describe_record(record: ApplicationRecord) -> str:
    """Return one line for the terminal and the run page."""
    shipped = {"model": "its model ships", "baseline": "the baseline ships", "nothing": "what is published stays"}
    return f"{record.application}: {shipped[record.ships]}: {'; '.join(map(str, record.reasons))}"


@flow(name="application", flow_run_name="{name}")
def application(
    name: Application,
    as_of: datetime | None = None,
    overrides: list[str] | None = None,
    overlays: list[str] | None = None,
) -> Any:
    """Run one application and the stages that it needs; publish what ships. Return the ApplicationOutcome as a dict.

    Args:
        name: The application; it runs also where params.yaml disables it.
        as_of: Use data up to this time; empty: as data.as_of says, which is now unless an overlay names a time.
        overrides: Further values, such as inventory.service_level=0.98.
        overlays: Overlay files, such as examples/online_retail/params.yaml.
    """
    lines = [*(overrides or []), f"{name}.enabled=true"]
    try:
        with locked_workspace(
            overlays or [], lines, as_of, f"the application {name}", *deployed_run_info(), resume=True
        ) as workspace:
            call_task(with_retries(tasks.check_ready, workspace), workspace)
            stages = run_needed(workspace, name)
            record = call_task(tasks.publish_application, workspace, name)
            done = ApplicationOutcome(record=record, report=f"reports/{name}/report.html", stages=stages)
            return done.model_dump(mode="json")
    except BusyError as busy:
        return cancel_when_busy(busy)


def run_needed(workspace: Workspace, name: str) -> list[StageRun]:
    """Bring the application's stage, and all that it depends on, up to date."""
    with warm_workspace(workspace) as warm:
        return [
            call_task(with_retries(tasks.run_stage, workspace), warm, stage)
            for stage in versioning.stages_before(workspace.root, name)
        ]
