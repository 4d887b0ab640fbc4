"""The history as people read it: rows of a table, and a page with the table and the picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components import io
from components.evaluation.pages import render_page
from components.release.history import DayOutcome, History, Served, newest_start, served_periods
from components.release.history_plot import plot_history
from components.release.history_summary import DeploymentHistory, Level, SimpleModel, summarise
from components.release.ledger import Ledger

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = 20  # newest deployments in the table
Row = dict[str, str]


@dataclass(frozen=True)
class HistoryView:
    """The deployments up to a time, with what the gate expected and what came true."""

    periods: list[Served]
    deployments: list[DeploymentHistory]
    rows: list[DayOutcome]  # of the metric

    @classmethod
    def read(cls, shop: Path, metric: str, confidence: float, as_of: int, with_later: bool = False) -> HistoryView:
        """Return the history of the shop's ledger. as_of: microseconds; confidence: of the intervals.

        with_later: what began to serve after as_of, too, such as a rollback since the last run, or a version without
        forgotten users.

        Raises ReleaseError for a damaged ledger.
        """
        deployments = Ledger(shop).deployments()
        periods = served_periods(deployments, newest_start(deployments, as_of) if with_later else as_of)
        rows = [row for row in History(shop).outcomes() if row.metric == metric]
        return cls(periods, summarise(periods, rows, metric, confidence), rows)

    def table(self) -> list[Row]:
        """Return a row per deployment, newest first, at most SHOWN; the times are days on the shop's clock."""
        return [
            {
                "version": str(row.version),
                "by": "refresh" if row.is_refresh else row.action,
                "served": f"{row.since[:10]} to {row.until[:10] if row.until else 'now'}",
                "learned until": _learned(row),
                "gain at the gate": _gain(row),
                "expected a day": _level(row.expected),
                "came true": _level(row.live),
                "days, users": f"{row.live.n_days}, {row.live.n_users}" if row.live else "",
                "lead over simple models": "; ".join(map(_lead, row.simple_models)),
            }
            for row in reversed(self.deployments[-SHOWN:])
        ]

    def plot(self) -> str:
        """Return the picture, an SVG file; "" where no day has been scored or measured."""
        if not any(row.live or row.expected for row in self.deployments):
            return ""
        return plot_history(self.periods, self.deployments, self.rows)

    def write_page(self, file: Path, metric: str, alarms: list[str]) -> None:
        """Write an HTML page with the alarms, the picture and the table; self-contained, without a script."""
        plot = self.plot()
        context = {"metric": metric, "alarms": alarms, "table": self.table(), "n": len(self.deployments)}
        io.write_text(file, render_page(TEMPLATES, {"history": plot} if plot else {}, context) + "\n")


def _learned(row: DeploymentHistory) -> str:
    """Return the end of the events that what served learned from, and of those that the judged model did."""
    return f"{row.learned_until[:10]}, judged {row.judged_until[:10]}" if row.learned_until and row.judged_until else ""


def _gain(row: DeploymentHistory) -> str:
    return f"{row.gain.gain:+.4f} ({row.gain.low:+.4f} to {row.gain.high:+.4f})" if row.gain else ""


def _level(level: Level | None) -> str:
    return f"{level.mean:.4f} ({level.low:.4f} to {level.high:.4f})" if level else ""


def _lead(simple: SimpleModel) -> str:
    lead = simple.lead
    return f"{simple.model} {lead.mean:+.4f} ({lead.low:+.4f} to {lead.high:+.4f})"
