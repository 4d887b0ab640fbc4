"""GET /applications: which applications have published something, from when it is, and what their gates said."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

from components.applications.record import APPLICATIONS, ApplicationRecord, find_application
from components.serving.http.ads_routes import add_ads
from components.serving.http.inventory_routes import add_inventory
from components.serving.http.marketing_routes import add_audiences
from components.serving.http.problems import ERRORS
from components.serving.inference.service import RecommendationService
from components.serving.models.published import PublishedApplication


class ApplicationsAnswer(BaseModel):
    """The applications that have published something."""

    applications: list[ApplicationRecord]


def add_applications(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes of all applications; what they publish lies beside the service's own folder."""
    add_ads(app, service)
    add_inventory(app, service)
    add_audiences(app, service)
    shop = service.watcher.folder.parent
    records = [PublishedApplication(shop, name, read_application) for name in APPLICATIONS]

    @app.get("/applications", tags=["Applications"], responses=ERRORS)
    async def applications() -> ApplicationsAnswer:
        """Return the records of the applications that have published something."""
        found = await service.workers.run_in_worker(lambda: [read() for read in records])
        return ApplicationsAnswer(applications=[record for record in found if record is not None])


def read_application(folder: Path) -> ApplicationRecord:
    """Return the record of a published folder; raises FileNotFoundError where it has none."""
    record = find_application(folder)
    if record is None:
        raise FileNotFoundError(f"{folder}/record.json")
    return record
