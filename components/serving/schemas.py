"""Bodies of requests and answers. Unknown fields are refused: a misspelt `histroy` must not mean an empty history."""

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from components import ids
from components.params import EventName
from components.serving.field_types import Consent, EventTime, Id, OptionalId, Timestamp
from components.serving.quota import Quota, check_quotas

ListLength = Annotated[int, Field(strict=True, ge=1)]  # the upper bound is serving.max_k
DEFAULT_K = 10
MAX_RULE_LENGTH = 500  # characters


class Body(BaseModel):
    """A request body or a part of one."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Reply(BaseModel):
    """The body of an answer or a part of one."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class HistoryEvent(Body):
    """One event of a user's history."""

    item_id: Id
    event: EventName | None = None
    """Null: counts as the strongest event that the model learned from."""
    timestamp: Timestamp | None = None


class EventIn(Body):
    """One event of a user. The same event sent twice counts once."""

    user_id: Id
    item_id: Id
    event: EventName
    timestamp: EventTime | None = None
    """With a time zone. Null: now."""
    quantity: Annotated[float, Field(ge=0, le=1e9)] | None = None
    price: Annotated[float, Field(ge=0, le=1e12)] | None = None
    session_id: OptionalId = None
    position: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Of the product in the list that showed it, from 1."""
    request_id: OptionalId = None
    """Of the answer that showed the product; it links the event to the exposure."""
    consent: Consent = None
    """What the user lets the event be used for; without `recommend` it is not stored. Null: the shop's default."""


class EventsRequest(Body):
    """Events; all of them are stored, or none."""

    events: Annotated[list[EventIn], Field(min_length=1, max_length=1000)]


class UserOrHistory(Body):
    """A user, given by a history in the request, or by the id of stored events."""

    user_id: OptionalId = None
    """Whose stored events count, if the request has no history."""
    history: list[HistoryEvent] = Field(default_factory=list, max_length=2000)
    """Counts instead of stored events. Oldest first, unless all events have timestamps."""

    @model_validator(mode="after")
    def all_or_no_timestamps(self) -> Self:
        """Refuse a history where only some events have a timestamp: its order is unknown."""
        if len({event.timestamp is None for event in self.history}) == 2:
            raise ValueError("either all events of the history have a timestamp, or none has")
        return self


class Filters(Body):
    """Which products may be listed. A category matches itself and all below it; an unknown price matches no bound."""

    category: Annotated[str, Field(max_length=400)] | None = None
    """Levels joined by " > "; matches the category and all below it."""
    brand: Annotated[str, Field(max_length=400)] | None = None
    language: Annotated[str, Field(max_length=16)] | None = None
    min_price: Annotated[float, Field(ge=0, le=1e12)] | None = None
    max_price: Annotated[float, Field(ge=0, le=1e12)] | None = None
    in_stock: bool = False
    """True: without products whose stock is known to be 0."""
    rules: list[Annotated[str, Field(max_length=MAX_RULE_LENGTH)]] = Field(default_factory=list, max_length=20)
    """Expressions over product columns, all of which must hold."""


class Context(Body):
    """The page on which the list is shown."""

    item_id: OptionalId = None
    """The product that the page is about: it counts as just viewed, and is not listed."""
    session_id: OptionalId = None


NO_FILTERS, NO_CONTEXT = Filters(), Context()  # shared: most requests have neither


class RecommendRequest(UserOrHistory):
    """A user, and which products may be listed.

    A history in the request replaces the stored one; its order is oldest first, unless all events have timestamps.
    Without it, the stored events of user_id are used.
    """

    k: ListLength = DEFAULT_K
    """Length of the list, at most serving.max_k."""
    exclude: list[Id] = Field(default_factory=list, max_length=2000)
    """Products that must not be listed."""
    filters: Filters = Field(default_factory=lambda: NO_FILTERS)
    context: Context = Field(default_factory=lambda: NO_CONTEXT)
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Maximal marginal relevance: 0 orders by score alone, 1 by difference in text alone."""
    quotas: list[Quota] = Field(default_factory=list, max_length=10)
    """Bounds by kind of item; the best list that keeps them."""
    explain: bool = False
    """True: each product has contributions and explained_by."""

    @model_validator(mode="after")
    def quotas_fit(self) -> Self:
        """Refuse two quotas of one kind, and more items than the list has."""
        check_quotas(self.quotas, self.k)
        return self

    @property
    def has_plain_list(self) -> bool:
        """Return whether the list depends on user and length alone."""
        has_more = self.exclude or self.explain or self.quotas or self.diversity or self.context.item_id
        return self.filters is NO_FILTERS and not has_more

    @property
    def excluded(self) -> list[str]:
        """Return the item_ids that must not be listed."""
        return [*self.exclude, self.context.item_id] if self.context.item_id else self.exclude


class SimilarRequest(Body):
    """A product, to find similar ones or those bought together with it."""

    item_id: Id
    k: ListLength = DEFAULT_K
    exclude: list[Id] = Field(default_factory=list, max_length=2000)
    filters: Filters = Field(default_factory=lambda: NO_FILTERS)

    @property
    def excluded(self) -> list[str]:
        """Return the item_ids that must not be listed."""
        return [*self.exclude, self.item_id]


class SearchRequest(UserOrHistory):
    """A query as typed, a picture, or both, and the user who asks."""

    query: Annotated[str, Field(max_length=200)] = ""
    image: Annotated[str, Field(min_length=1, max_length=60_000)] | None = None
    """A picture (JPEG, PNG, WebP, GIF, BMP) in base64, also URL-safe, or as a data URI: lists products with similar
    pictures, of those that the query finds. Send a thumbnail: 128 pixels are read."""
    k: ListLength = DEFAULT_K
    filters: Filters = Field(default_factory=lambda: NO_FILTERS)
    personal: bool = True
    """False: the same list for all users."""


class ItemsRequest(UserOrHistory):
    """A user and some products."""

    item_ids: Annotated[list[Id], Field(min_length=1, max_length=500)]


class UserRequest(Body):
    """A user."""

    user_id: Id


class ForgetRequest(Body):
    """A user whose events are deleted, also those that were stored under an id that today's rules refuse."""

    user_id: Annotated[str, Field(min_length=1, max_length=ids.MAX_LENGTH)]
    """As it was sent; the events under its cleaned form are deleted too."""


class Item(Reply):
    """A product in a list; the score's scale is the model's own, higher is better."""

    item_id: str
    title: str
    score: float
    contributions: dict[str, float] | None = None
    """With explain: what each part of the model adds to the score."""
    explained_by: str | None = None
    """With explain: the product of the history with the most similar text."""
    rule: str | None = None
    """The merchandising rule that moved the product from its position in the model's list."""


class Answer(Reply):
    """A list of products, best first, and which model made it. Fewer than k where the shop has no more."""

    request_id: str
    version: int
    """In the registry, of the model that answered."""
    experiment: str | None = None
    arm: str | None = None
    """Of the experiment, or "canary"."""
    model: str
    reason: str | None
    """Why a fallback answered; null: the version's own model did."""
    items: list[Item]


class Accepted(Reply):
    """Events that are stored durably."""

    request_id: str
    accepted: int
    new: int
    """The other ones were stored before."""


class ItemProbabilities(Reply):
    """The probabilities of events for a product shown at the first position of a list."""

    item_id: str
    click: float | None
    cart: float | None
    purchase: float | None


class RankAnswer(Reply):
    """The products of the request by the sum of their probabilities; those that the model does not know are last."""

    request_id: str
    version: int
    items: list[ItemProbabilities]


class StoredHistoryEvent(Reply):
    """One stored event; its item_id may be older than the present rules of ids."""

    item_id: str
    event: EventName
    timestamp: AwareDatetime


class ProfileAnswer(Reply):
    """The stored history of a user, and the profile computed from it."""

    request_id: str
    user_id: str
    history: list[StoredHistoryEvent]
    """Newest last."""
    profile: dict[str, Any] | None
    """Null: no events yet."""


class ArmAnswer(Reply):
    """A user's arm of the running experiment, and the version that serves it."""

    request_id: str
    experiment: str | None
    arm: str | None
    version: int


class Alive(Reply):
    """The process runs."""

    status: Literal["alive"]


class Ready(Reply):
    """The version that serves."""

    status: Literal["ready"]
    version: int
    """In the registry."""
    model: str
    digest: str
    """Of the bundle."""


class Problem(Reply):
    """An error in the form of RFC 9457, application/problem+json."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[dict[str, str]] = []
    """Where in the request, and what is wrong there."""
