"""The newest registered versions, with links to the pages of the tools and to their reports."""

from __future__ import annotations

import logging
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import CarouselError
from components.params import Params
from components.private import make_folder
from components.release import local_database
from components.release.history_view import HistoryView
from components.release.status import last_scored
from components.serving.storage.ttl_cache import TtlCached
from components.settings import Settings
from components.times import to_micros

if TYPE_CHECKING:
    from components.release.registry import Registry

log = logging.getLogger("serving")
RUNS_TTL_S = 30.0  # a read asks the registry for each version
MAX_RUNS = 10
REPORTS = {"evaluate": "reports/evaluate/report.html", "drift": "reports/drift/drift.html"}  # files of a version
HISTORY = "history"  # is made from the ledger


class RunReader:
    """Reads runs and reports; the folder `reports` beside the served bundles holds those of one version."""

    def __init__(self, settings: Settings, params: Params) -> None:
        """settings: resolved."""
        self.settings, self.params = settings, params
        self.shop = settings.shop(params.release.name)
        self.read = TtlCached(RUNS_TTL_S, self._read)

    def links(self) -> dict[str, str]:
        """Return the addresses of Prefect's and MLflow's pages, without passwords."""
        model = f"{self.settings.mlflow_url.rstrip('/')}/#/models/{self.params.release.name}"
        return {"prefect": self.settings.prefect_url.rstrip("/"), "mlflow": model}

    def report(self, name: str, version: int) -> Path | None:
        """Return the file of a version's report; None where it has none. Raises CarouselError without a registry.

        name: of REPORTS, or HISTORY, which is the same for all versions.
        """
        folder = self.shop / "serving/reports"
        if name == HISTORY:
            return self._history(folder / "history.html")
        if name not in REPORTS:
            return None
        of_version = folder / str(version)
        file = of_version / Path(REPORTS[name]).name
        if not file.is_file():
            registry = self._registry()
            if registry is None or version not in registry.digests():
                return None
            if REPORTS[name] not in registry.list_artifacts(version, Path(REPORTS[name]).parent.as_posix()):
                return None
            for older in folder.glob("*/"):
                if older != of_version:
                    shutil.rmtree(older, ignore_errors=True)
            make_folder(of_version)
            registry.download_artifact(version, REPORTS[name], of_version)
        return file if file.is_file() else None

    def _history(self, file: Path) -> Path | None:
        scored = last_scored(self.shop)
        if scored is None:
            return None
        metric, as_of = self.params.evaluation.primary, to_micros(datetime.fromisoformat(scored.as_of))
        make_folder(file.parent)
        view = HistoryView.read(self.shop, metric, self.params.gate.confidence, as_of)
        view.write_page(file, metric, scored.alarms)
        return file

    def _read(self) -> list[dict[str, Any]]:
        """Return the newest versions, newest first; none where the registry cannot be read."""
        try:
            registry = self._registry()
            if registry is None:
                return []
            aliases = {number: name for name, number in registry.aliases().items()}
            numbers = sorted(registry.digests(), reverse=True)[:MAX_RUNS]
            versions = [registry.version(number) for number in numbers]
        except CarouselError as error:
            log.warning("the newest runs cannot be listed: %s", error)
            return []
        address, metric = self.links()["mlflow"], self.params.evaluation.primary
        return [
            {
                "version": version.number,
                "model": version.lineage.model,
                "as_of": version.lineage.as_of,
                "created_at": version.created_at,
                "alias": aliases.get(version.number),
                "metric": metric,
                "value": version.metrics.get(metric),
                "mlflow": f"{address}/versions/{version.number}",
            }
            for version in versions
        ]

    def _registry(self) -> Registry | None:
        """Return the registry; None where nothing was registered, so that reading makes no database."""
        if local_database.is_missing(self.settings.tracking_uri):
            return None
        from components.release.registry import Registry

        return Registry(self.settings, self.params.release)
