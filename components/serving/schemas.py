"""What goes in and out over HTTP. Unknown fields are refused: a misspelt `histroy` must not be an empty one."""

from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from components.params import EventName
from components.serving.inference.rules import LONGEST

Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
KeptId = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]  # as any store takes it
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


class EventIn(Body):
    """One event of a user, told as it happens. The same one told twice counts once."""

    user_id: KeptId
    item_id: KeptId
    event: EventName
    timestamp: AwareDatetime | None = None  # None: now
    quantity: Annotated[float, Field(ge=0, le=1e9)] | None = None
    price: Annotated[float, Field(ge=0, le=1e12)] | None = None
    session_id: KeptId | None = None
    position: Annotated[int, Field(ge=0, le=100_000)] | None = None  # in the list that showed it, from 1
    request_id: KeptId | None = None  # of the answer that showed it: what was shown and what came of it belong together


class EventsRequest(Body):
    """What happened; all of it is taken, or nothing."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"events": [{"user_id": "u-1", "item_id": "P00001", "event": "view"}]}]}
    )
    events: Annotated[list[EventIn], Field(min_length=1, max_length=1000)]


class UserOrHistory(Body):
    """About whom: a history in the request, or a user whose events the service was told."""

    user_id: Id | None = None
    history: list[Event] = Field(default_factory=list, max_length=2000)

    @model_validator(mode="after")
    def all_or_no_timestamps(self) -> Self:
        """Refuse a history that is only partly in time: its order would be a guess."""
        if len({event.timestamp is None for event in self.history}) == 2:
            raise ValueError("either all events of the history have a timestamp, or none has")
        return self


class Filters(Body):
    """Which products may be listed. A category names itself and all below it; an unknown price passes no bound."""

    category: Annotated[str, Field(max_length=400)] | None = None
    brand: Annotated[str, Field(max_length=400)] | None = None
    language: Annotated[str, Field(max_length=16)] | None = None
    min_price: Annotated[float, Field(ge=0, le=1e12)] | None = None
    max_price: Annotated[float, Field(ge=0, le=1e12)] | None = None
    in_stock: bool = False  # True: products whose stock is known to be 0 stay out
    rules: list[Annotated[str, Field(max_length=LONGEST)]] = Field(default_factory=list, max_length=20)


class Context(Body):
    """Where the list will stand."""

    item_id: Id | None = None  # the product whose page it is: it counts as just viewed, and is not listed
    session_id: Id | None = None


NO_FILTERS, NO_CONTEXT = Filters(), Context()  # made once: most requests name none


class RecommendRequest(UserOrHistory):
    """Whom to recommend to, and what may be listed.

    A history in the request counts alone, oldest event first unless all events have timestamps; without one it is what
    the service was told of user_id.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": "u-1", "k": 10, "filters": {"rules": ['price < 50 and brand != "X"']}},
                {"history": [{"item_id": "P00001", "event": "view"}], "k": 5, "diversity": 0.3},
            ]
        }
    )
    k: ListLength = USUAL_K
    exclude: list[Id] = Field(default_factory=list, max_length=2000)
    filters: Filters = Field(default_factory=lambda: NO_FILTERS)
    context: Context = Field(default_factory=lambda: NO_CONTEXT)
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.0  # 0: by score alone; 1: as different in text as can be
    explain: bool = False  # True: each product says why it is there


class SimilarRequest(Body):
    """A product to find others like it, or to go with it."""

    item_id: Id
    k: ListLength = USUAL_K
    exclude: list[Id] = Field(default_factory=list, max_length=2000)
    filters: Filters = Field(default_factory=lambda: NO_FILTERS)


class SearchRequest(UserOrHistory):
    """A query as somebody typed it, and by whom."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "red tea pot", "user_id": "u-1", "k": 10}]})
    query: Annotated[str, Field(max_length=200)]
    k: ListLength = USUAL_K
    filters: Filters = Field(default_factory=lambda: NO_FILTERS)
    personal: bool = True  # False: the same list for everybody


class ItemsRequest(UserOrHistory):
    """A user and some products."""

    item_ids: Annotated[list[Id], Field(min_length=1, max_length=500)]


class UserRequest(Body):
    """A user."""

    user_id: Id


class Item(BaseModel):
    """A product in a list; the score's scale is the model's own, higher is better."""

    item_id: str
    title: str
    score: float
    why: dict[str, float] | None = None  # where asked for: what each part of the model adds to the score
    because: str | None = None  # and which product of the history reads most like it


class Answer(BaseModel):
    """A list of products, best first, and which model made it. Fewer than k where the shop has no more."""

    request_id: str
    version: int  # in the registry, of the model that answered
    experiment: str | None = None
    arm: str | None = None  # of the experiment, or "canary"
    model: str
    reason: str | None  # why another than the champion's model answered; None: it was the champion's
    items: list[Item]


class Accepted(BaseModel):
    """Events that are on disk."""

    request_id: str
    accepted: int
    new: int  # the others had been told before


class Chances(BaseModel):
    """What comes of a product if it is shown in the first place of a list."""

    item_id: str
    click: float | None
    cart: float | None
    purchase: float | None


class RankAnswer(BaseModel):
    """The products of the request, the most probably bought ones first; those that the model does not know are last."""

    request_id: str
    version: int
    items: list[Chances]


class ProfileAnswer(BaseModel):
    """What is known of a user, of what the service was told."""

    request_id: str
    user_id: str
    history: list[Event]  # newest last
    profile: dict[str, Any] | None  # None: nothing yet


class ArmAnswer(BaseModel):
    """In which arm of the running experiment a user is."""

    request_id: str
    experiment: str | None
    arm: str | None
    version: int


class Problem(BaseModel):
    """An error as RFC 9457 has it, application/problem+json."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[dict[str, str]] = []  # where in the request, and what is wrong there
