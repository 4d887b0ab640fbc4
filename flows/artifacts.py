"""Artifacts on a flow run's page in Prefect: progress, verdict, metrics, differences, links."""

from __future__ import annotations

from uuid import UUID

from prefect import task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE

from components.contracts import Decision, Evaluation
from components.io import read_record
from flows import markdown
from flows.history import PAGE
from flows.outcome import differences, metrics_table, window_label
from flows.tasks import in_flow_run
from flows.workspace import EVALUATION, REPORT, Workspace

LINKS = {
    "report": str(REPORT),
    "history-report": str(PAGE),
    "drift-report": "reports/drift/drift.html",
    "tensorboard": "run/tensorboard",
}


class StageProgress:
    """A progress bar on the run page: the share of the stages, or of what `description` names, that are done."""

    def __init__(self, total: int, description: str = "Stages done") -> None:
        self.total, self.done, self.description = total, 0, description
        self.id: UUID | None = None

    def advance(self) -> None:
        """Count one more stage as done."""
        self.show(self.done + 1)

    def show(self, done: int) -> None:
        """Set how many are done."""
        self.done = done
        if not in_flow_run():
            return
        percent = 100.0 * self.done / self.total
        if self.id is None:
            made = create_progress_artifact(percent, key="progress", description=self.description)
            self.id = made if isinstance(made, UUID) else None
        else:
            update_progress_artifact(self.id, percent)


@task(cache_policy=NO_CACHE)
def publish(workspace: Workspace, version: int | None, decision: Decision | None) -> None:
    """Put verdict, metrics, differences and links on the run page."""
    evaluation = read_record(workspace.root / EVALUATION, Evaluation, "evaluation")
    if decision is not None:
        create_markdown_artifact(markdown.verdict(decision), key="verdict", description="Why, check by check")
    create_table_artifact(
        metrics_table(evaluation), key="metrics", description=f"{window_label(evaluation)}, best first"
    )
    create_table_artifact(differences(evaluation), key="differences", description="The challenger against the others")
    for key, name in LINKS.items():
        path = workspace.root / name
        if path.exists():
            create_link_artifact(path.resolve().as_uri(), key=key, link_text=name)
    if version is not None:
        address = f"{workspace.settings.mlflow_url}/#/models/{workspace.params.release.name}/versions/{version}"
        create_link_artifact(address, key="mlflow", link_text=f"version {version} in the registry")
