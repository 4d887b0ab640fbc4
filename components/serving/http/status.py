"""The state of the loop for people: who serves and since when, what was deployed, the last verdict, drift, the rest."""

from __future__ import annotations

from typing import Any

from components.errors import CarouselError
from components.params import ReleaseParams
from components.release.ledger import Ledger
from components.release.status import last_decision, last_drift, status
from components.serving.storage.ttl_cache import TtlCached
from components.settings import Settings

KEPT_S = 5.0  # an answer is given again for so long: reading asks the registry
NEWEST = 20  # deployments


class StatusReader:
    """Reads what `carousel status` reads, and the checks behind the verdict."""

    def __init__(self, settings: Settings, release: ReleaseParams) -> None:
        """settings: resolved."""
        self.settings, self.release = settings, release
        self.read = TtlCached(KEPT_S, self._read)

    def _read(self) -> dict[str, Any]:
        """Return champion, since, data, verdict, drift, checks, deployments and, where it failed, what is not known."""
        shop = self.settings.shop(self.release.name)
        decision = last_decision(shop)
        told: dict[str, Any] = {"registry": None}
        try:
            told |= status(self.settings, self.release).model_dump(mode="json")
        except CarouselError as error:
            drift = last_drift(shop)
            told |= {"registry": str(error), "champion": None, "since": None, "data": None}
            told["verdict"] = decision.model_dump(mode="json") if decision else None
            told["drift"] = drift.model_dump(mode="json") if drift else None
        told["checks"] = [check.model_dump(mode="json") for check in decision.checks] if decision else []
        newest = Ledger(shop).deployments()[-NEWEST:]
        told["deployments"] = [deployment.model_dump(mode="json") for deployment in reversed(newest)]
        return told
