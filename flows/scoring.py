"""The part of every run that scores what has served on what happened since, and raises the alarm."""

from __future__ import annotations

from prefect.artifacts import create_table_artifact

from flows import history, tasks
from flows.events import emit_shop_event
from flows.tasks import call_task, in_flow_run, with_retries
from flows.workspace import Workspace

EVENT = "carousel.shortfall"  # the champion is below its expectation or below a simple model


def record_outcomes(workspace: Workspace) -> list[str]:
    """Score what has served on what happened since; return notes for the run: the alarms, or why it was not scored.

    An error here ends no run. The event is emitted by runs that complete a day, so once a day.
    """
    scored, notes = history.note_alarms(lambda: call_task(with_retries(tasks.score_served, workspace), workspace))
    if scored is None:
        return notes
    rows = history.write_page(workspace).table()
    if in_flow_run():
        if rows:
            create_table_artifact(rows, key="history", description="Deployments: expected, and what came true")
        if scored.alarms and scored.n_days:
            emit_shop_event(workspace, EVENT, scored.as_of, scored.alarms)
    return notes
