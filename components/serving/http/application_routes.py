"""GET /applications: which applications have published something, from when it is, and what their gates said."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from components.applications.publish import find_last
from components.applications.reasons import Reason
from components.applications.record import APPLICATIONS, ApplicationRecord, find_application
from components.serving.http.ads_routes import add_ads
from components.serving.http.inventory_routes import add_inventory
from components.serving.http.marketing_routes import add_audiences
from components.serving.http.problems import ERRORS
from components.serving.inference.service import RecommendationService
from components.serving.models.published import PublishedApplication

State = Literal["published", "enabled", "disabled"]


class ApplicationsAnswer(BaseModel):
    """The applications that have published something, and the state of all."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    applications: list[ApplicationRecord]
    states: dict[str, State]
    """Of every application. enabled: in the service's parameters, and nothing is published yet."""
    unshipped: dict[str, list[Reason]]
    """Of applications whose last run shipped nothing: why."""


def add_applications(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes of all applications; what they publish lies beside the service's own folder."""
    add_ads(app, service)
    add_inventory(app, service)
    add_audiences(app, service)
    shop = service.watcher.folder.parent
    records = [PublishedApplication(shop, name, read_application) for name in APPLICATIONS]

    def read_all() -> tuple[list[ApplicationRecord], list[ApplicationRecord]]:
        """Return the records of what is published, and those of the last runs."""
        found, last = [read() for read in records], [find_last(shop, name) for name in APPLICATIONS]
        return [r for r in found if r is not None], [r for r in last if r is not None]

    @app.get("/applications", tags=["Applications"], responses=ERRORS)
    async def applications() -> ApplicationsAnswer:
        """Return the records of the applications that have published something, and the state of all."""
        found, last = await service.workers.run_in_worker(read_all)
        states: dict[str, State] = {n: "enabled" if n in service.applications else "disabled" for n in APPLICATIONS}
        states |= dict.fromkeys([record.application for record in found], "published")
        unshipped = {record.application: record.reasons for record in last if record.ships == "nothing"}
        return ApplicationsAnswer(applications=found, states=states, unshipped=unshipped)


def read_application(folder: Path) -> ApplicationRecord:
    """Return the record of a published folder; raises FileNotFoundError where it has none."""
    record = find_application(folder)
    if record is None:
        raise FileNotFoundError(f"{folder}/record.json")
    return record
