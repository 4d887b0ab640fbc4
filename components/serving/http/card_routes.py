"""GET /card: the model card of the champion, or of an application, as JSON or as Markdown."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Header, Query
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from components.applications.card import application_card
from components.applications.record import APPLICATIONS
from components.release.card import read_card, split_card
from components.serving.http.application_routes import read_application
from components.serving.http.problems import ERRORS_404, ProblemError, Responses
from components.serving.inference.service import RecommendationService
from components.serving.models.published import PublishedApplication

MARKDOWN = "text/markdown"


class CardAnswer(BaseModel):
    """A card: its metadata, and its text."""

    metadata: dict[str, Any]
    markdown: str


CARD: Responses = {200: {"model": CardAnswer, "content": {MARKDOWN: {"example": "# Carousel hybrid"}}}, **ERRORS_404}


def add_card(app: FastAPI, service: RecommendationService) -> None:
    """Add the route of the cards."""
    shop = service.watcher.folder.parent
    records = {name: PublishedApplication(shop, name, read_application) for name in APPLICATIONS}

    def read(application: str | None) -> str:
        if application is None:
            text = read_card(service.champion().bundle.folder)
            if text is None:
                raise ProblemError(404, "the champion was made before version 0.5 and has no card")
            return text
        record = records[application]() if application in records else None
        if record is None:
            raise ProblemError(404, "no application of this name has published something")
        return application_card(record).to_text()

    @app.get("/card", tags=["State"], responses=CARD, response_class=Response)
    async def card(
        application: Annotated[str | None, Query(max_length=40)] = None, accept: Annotated[str, Header()] = ""
    ) -> Response:
        """Return the model card of the champion or of an application; as Markdown where Accept asks for it."""
        text = await service.workers.run_in_worker(lambda: read(application))
        if MARKDOWN in accept:
            return Response(text, media_type=MARKDOWN)
        metadata, markdown = split_card(text)
        return JSONResponse(CardAnswer(metadata=metadata, markdown=markdown).model_dump(mode="json"))
