"""What served, what was expected of it and what came true: `carousel history`, and the notes and the page of a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from components.errors import CarouselError
from components.release.history import Scored
from components.release.history_view import HistoryView
from components.release.status import last_scored
from components.times import to_micros
from flows.workspace import Workspace

log = logging.getLogger(__name__)
PAGE = Path("reports/history/report.html")


def note_alarms(score: Callable[[], Scored]) -> tuple[Scored | None, list[str]]:
    """Score what has served; return the result, and notes for the run: the alarms, or why it was not scored.

    An error here ends no run.
    """
    try:
        scored = score()
    except CarouselError as error:
        log.warning("what serves was not scored on later events: %s", error)
        return None, [f"what serves was not scored on later events: {error}"]
    for alarm in scored.alarms:
        log.warning("the champion falls short: %s", alarm)
    return scored, [f"the champion falls short: {alarm}" for alarm in scored.alarms]


def read_history(workspace: Workspace, with_later: bool = False) -> HistoryView:
    """Return the deployments up to data.as_of, by the primary metric; with_later: those after it, too."""
    params = workspace.params
    as_of = to_micros(params.data.as_of)
    return HistoryView.read(workspace.shop, params.evaluation.primary, params.gate.confidence, as_of, with_later)


def write_page(workspace: Workspace) -> HistoryView:
    """Write PAGE, which the evaluation report links to; return what it shows."""
    view, scored = read_history(workspace), last_scored(workspace.shop)
    view.write_page(workspace.root / PAGE, workspace.params.evaluation.primary, scored.alarms if scored else [])
    return view
