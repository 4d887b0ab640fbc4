"""The part of every run that scores what has served on what happened since, and raises the alarm."""

from __future__ import annotations

from prefect.artifacts import create_table_artifact

from components.errors import CarouselError
from components.release.history import Scored
from flows import history, tasks
from flows.events import emit_shop_event
from flows.tasks import call_task, in_flow_run, with_retries
from flows.workspace import Workspace

EVENT = "carousel.shortfall"  # the champion is below its expectation or below a simple model


def record_outcomes(workspace: Workspace) -> list[str]:
    """Score what has served on what happened since; return notes for the run: the alarms, or why it was not scored.

    An error here ends no run. The event is emitted by runs that complete a day, so once a day.
    """
    try:
        scored: Scored = call_task(with_retries(tasks.score_served, workspace), workspace)
    except CarouselError as error:
        tasks.log.warning("what serves was not scored on later events: %s", error)
        return [f"what serves was not scored on later events: {error}"]
    for alarm in scored.alarms:
        tasks.log.warning("the champion falls short: %s", alarm)
    if in_flow_run():
        rows = history.table_rows(history.read_history(workspace)[1])
        if rows:
            create_table_artifact(rows, key="history", description="Deployments: expected, and what came true")
        if scored.alarms and scored.n_days:
            emit_shop_event(workspace, EVENT, scored.as_of, scored.alarms)
    return [f"the champion falls short: {alarm}" for alarm in scored.alarms]
