"""What /status shows of the release process: the serving version, deployments and what came true, last verdicts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from components.contracts import DriftVerdict
from components.errors import CarouselError
from components.params import Params
from components.release.history_view import HistoryView
from components.release.ledger import Ledger
from components.release.status import last_decision, last_drift, last_scored, read_status
from components.serving.http.quality import read_quality
from components.serving.http.recent_runs import RunReader
from components.serving.storage.ttl_cache import TtlCached
from components.settings import Settings
from components.times import to_micros

STATUS_TTL_S = 5.0  # a read queries the registry
MAX_DEPLOYMENTS = 20  # the newest ones


class StatusReader:
    """Reads the data of `carousel status`, and the checks of the decision."""

    def __init__(self, settings: Settings, params: Params) -> None:
        """settings: resolved."""
        self.settings, self.params, self.release = settings, params, params.release
        self.runs = RunReader(settings, params)
        self.read = TtlCached(STATUS_TTL_S, self._read)

    def _read(self) -> dict[str, Any]:
        """Return the state; `registry` is None, or why the registry cannot be read."""
        shop = self.settings.shop(self.release.name)
        decision = last_decision(shop)
        found: dict[str, Any] = {"registry": None}
        try:
            found |= read_status(self.settings, self.release).model_dump(mode="json")
        except CarouselError as error:
            drift = last_drift(shop)
            found |= {"registry": str(error), "champion": None, "since": None, "data": None}
            found["disagreement"] = found["unlearning"] = None
            scored = last_scored(shop)
            found["history"] = scored.model_dump(mode="json") if scored else None
            found["verdict"] = decision.model_dump(mode="json") if decision else None
            found["drift"] = drift.model_dump(mode="json") if drift else None
        found["checks"] = [check.model_dump(mode="json") for check in decision.checks] if decision else []
        newest = Ledger(shop).deployments()[-MAX_DEPLOYMENTS:]
        found["deployments"] = [deployment.model_dump(mode="json") for deployment in reversed(newest)]
        found["outcomes"] = self._read_outcomes(shop)
        found["quality"] = self._read_quality(shop)
        found["gain"] = decision.gain.model_dump() if decision and decision.gain else None
        found["drift_columns"] = _over_limit(last_drift(shop))
        found["runs"], found["links"] = self.runs.read(), self.runs.links()
        return found

    def _read_outcomes(self, shop: Path) -> dict[str, Any] | None:
        """Return what came true of the deployments up to the last scoring: a table, and a picture (SVG)."""
        scored = last_scored(shop)
        if scored is None:
            return None
        as_of = to_micros(datetime.fromisoformat(scored.as_of))
        view = HistoryView.read(shop, self.params.evaluation.primary, self.params.gate.confidence, as_of)
        return {"table": view.table(), "plot": view.plot()}

    def _read_quality(self, shop: Path) -> dict[str, Any] | None:
        scored = last_scored(shop)
        if scored is None:
            return None
        as_of = to_micros(datetime.fromisoformat(scored.as_of))
        return read_quality(shop, self.params.evaluation.primary, self.params.gate.confidence, as_of)


def _over_limit(drift: DriftVerdict | None) -> list[dict[str, Any]] | None:
    """Return the columns of the last drift verdict with distance and limit, the largest share of its limit first."""
    if drift is None:
        return None
    rows = [
        {"column": name, "distance": distance, "limit": drift.thresholds[name]}
        for name, distance in drift.columns.items()
        if drift.thresholds.get(name)
    ]
    return sorted(rows, key=lambda row: -row["distance"] / row["limit"])
