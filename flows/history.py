"""What served, what was expected of it and what came true, as tables and a picture: `carousel history`."""

from __future__ import annotations

from pathlib import Path

from components import io
from components.release.history import DayOutcome, History, Served, served_periods
from components.release.history_plot import plot_history
from components.release.history_summary import DeploymentHistory, Level, SimpleModel, summarise
from components.release.ledger import Ledger
from components.times import to_micros
from flows.workspace import Workspace

SHOWN = 20  # newest deployments on the terminal and on the run page


def read_history(workspace: Workspace) -> tuple[list[Served], list[DeploymentHistory], list[DayOutcome]]:
    """Return the deployments up to data.as_of, their histories, and the scored days of the primary metric."""
    params = workspace.params
    periods = served_periods(Ledger(workspace.shop).deployments(), to_micros(params.data.as_of))
    metric = params.evaluation.primary
    rows = [row for row in History(workspace.shop).outcomes() if row.metric == metric]
    return periods, summarise(periods, rows, metric, params.gate.confidence), rows


def table_rows(history: list[DeploymentHistory]) -> list[dict[str, str]]:
    """Return a row per deployment, newest first, at most SHOWN; the times are days on the shop's clock."""
    return [
        {
            "version": str(row.version),
            "by": "refresh" if row.is_refresh else row.action,
            "served": f"{row.since[:10]} to {row.until[:10] if row.until else 'now'}",
            "gain at the gate": _gain(row),
            "expected a day": _level(row.expected),
            "came true": _level(row.live),
            "days, users": f"{row.live.n_days}, {row.live.n_users}" if row.live else "",
            "lead over simple models": "; ".join(map(_lead, row.simple_models)),
        }
        for row in reversed(history[-SHOWN:])
    ]


def save_plot(workspace: Workspace, file: Path) -> None:
    """Write the history as an SVG file."""
    io.write_text(file, plot_history(*read_history(workspace)))


def _gain(row: DeploymentHistory) -> str:
    return f"{row.gain.gain:+.4f} ({row.gain.low:+.4f} to {row.gain.high:+.4f})" if row.gain else ""


def _level(level: Level | None) -> str:
    return f"{level.mean:.4f} ({level.low:.4f} to {level.high:.4f})" if level else ""


def _lead(simple: SimpleModel) -> str:
    lead = simple.lead
    return f"{simple.model} {lead.mean:+.4f} ({lead.low:+.4f} to {lead.high:+.4f})"
