"""The quality of what served, day by day, beside what was expected: the ledger's record as numbers for a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.release.history import CHAMPION
from components.release.history_summary import live_rows
from components.release.history_view import HistoryView

MAX_DAYS, MAX_DEPLOYMENTS = 120, 10  # the newest ones


def read_quality(shop: Path, metric: str, confidence: float, as_of: int) -> dict[str, Any]:
    """Return metric, days and deployments up to `as_of` (us), oldest first; raises ReleaseError for a damaged ledger.

    A day has start and end (us), version, users, mean and standard error of what served, and the means of the simple
    models. A deployment is a DeploymentHistory: what was expected by day, what came true, and the gain at the gate.
    """
    view = HistoryView.read(shop, metric, confidence, as_of)
    days: dict[tuple[int, int], dict[str, Any]] = {}
    for period in view.periods:
        for row in live_rows(period, view.rows):
            if row.mean is None:
                continue
            day = days.setdefault(
                (row.start_us, row.number),
                {
                    "start": row.start_us,
                    "end": row.until_us,
                    "version": row.version,
                    "users": row.n_users,
                    "simple": {},
                },
            )
            if row.model == CHAMPION:
                day |= {"mean": row.mean, "error": row.error}
            else:
                day["simple"][row.model] = row.mean
    shown = [day for _, day in sorted(days.items()) if "mean" in day]
    deployments = [row.model_dump(mode="json") for row in view.deployments[-MAX_DEPLOYMENTS:]]
    return {"metric": metric, "days": shown[-MAX_DAYS:], "deployments": deployments}
