"""What goes in and out over HTTP. Unknown fields are refused: a misspelt `histroy` must not be an empty one."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from components.params import EventName

Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ListLength = Annotated[int, Field(strict=True, ge=1)]  # serving.max_k is the other bound
USUAL_K = 10  # list length where a request names none


class Body(BaseModel):
    """A request body or a part of one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(Body):
    """Something that the user did with a product."""

    item_id: Id
    event: EventName | None = None  # None: as good as the strongest event that the model learned from
    timestamp: AwareDatetime | None = None


class RecommendRequest(Body):
    """Whom to recommend to: a history, oldest event first unless all events have timestamps.

    The service keeps no histories: a user_id alone gets the fallback, and says so in `reason`.
    """

    user_id: Id | None = None
    history: Annotated[list[Event], Field(max_length=2000)] = []
    k: ListLength = USUAL_K
    exclude: Annotated[list[Id], Field(max_length=2000)] = []

    @model_validator(mode="after")
    def all_or_no_timestamps(self) -> "RecommendRequest":
        """Refuse a history that is only partly in time: its order would be a guess."""
        if len({event.timestamp is None for event in self.history}) == 2:
            raise ValueError("either all events of the history have a timestamp, or none has")
        return self


class SimilarRequest(Body):
    """A product to find others like it."""

    item_id: Id
    k: ListLength = USUAL_K
    exclude: Annotated[list[Id], Field(max_length=2000)] = []


class Item(BaseModel):
    """A product in a list; the score's scale is the model's own, higher is better."""

    item_id: str
    title: str
    score: float


class Answer(BaseModel):
    """A list of products, best first, and which model made it. Fewer than k where the shop has no more."""

    request_id: str
    version: int  # of the champion, in the registry
    model: str
    reason: str | None  # why another than the champion's model answered; None: it was the champion's
    items: list[Item]


class Problem(BaseModel):
    """An error as RFC 9457 has it, application/problem+json."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[dict[str, str]] = []  # where in the request, and what is wrong there
