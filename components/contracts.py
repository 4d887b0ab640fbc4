"""What packages exchange: column names, frozen records, the Recommender protocol.

An index of 0 is padding everywhere: item 0 is no item, user 0 is an anonymous visitor.
Arrays of items or users therefore have n + 1 rows. Times are int64 microseconds since 1970 (UTC).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from components.errors import ContractError
from components.ragged import Ragged, offsets_of
from components.records import (
    Candidate,
    ChampionRef,
    Check,
    Choice,
    Completion,
    Decision,
    DriftVerdict,
    Evaluation,
    Interval,
    Lineage,
    Purpose,
    PushedProduct,
    Question,
    Record,
    SliceRow,
    UserRetention,
    Verdict,
)

__all__ = [
    "EVENTS",
    "EVENT_COLUMNS",
    "LEVEL",
    "PRODUCTS",
    "PRODUCT_KIND",
    "REVIEWS",
    "SEARCHES",
    "SOCIAL",
    "TABLES",
    "WINDOWS",
    "BoolArray",
    "Candidate",
    "Catalogue",
    "ChampionRef",
    "Check",
    "Choice",
    "Completion",
    "Decision",
    "DriftVerdict",
    "Evaluation",
    "FloatArray",
    "IntArray",
    "Interactions",
    "Interval",
    "Lineage",
    "Purpose",
    "PushedProduct",
    "Question",
    "Ranked",
    "Recommender",
    "Record",
    "SliceRow",
    "TimeArray",
    "UserRetention",
    "Users",
    "Verdict",
]

IntArray = NDArray[np.int32]
TimeArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

EVENTS = ("view", "cart", "purchase", "return", "impression", "click")  # index = code in `event`

PRODUCTS = (
    "item_id", "title", "description", "brand", "category", "price", "language", "image", "timestamp", "kind",
)  # fmt: skip
PRODUCT_KIND = "product"  # the kind of an item for which the shop names none
LEVEL = " > "  # between the levels of a category path
EVENT_COLUMNS = (
    "user_id", "item_id", "timestamp", "event", "quantity", "price", "session_id", "position", "propensity",
    "consent",
)  # fmt: skip
REVIEWS = ("user_id", "item_id", "timestamp", "rating", "text")
SEARCHES = ("user_id", "timestamp", "query", "clicked_item_id")
SOCIAL = ("user_id", "timestamp", "action", "other_id")  # follows, likes, shares, where a shop has them
TABLES = {
    "products": PRODUCTS, "events": EVENT_COLUMNS, "reviews": REVIEWS, "searches": SEARCHES, "social": SOCIAL,
}  # fmt: skip

WINDOWS = ("train", "validation", "test")


@dataclass(frozen=True)
class Interactions:
    """Training events, sorted by (user_idx, timestamp, row order in the source)."""

    user_idx: IntArray  # (n,); 0 = anonymous: counts for items, belongs to no user
    item_idx: IntArray  # (n,) 1..n_items
    timestamp: TimeArray  # (n,)
    event: NDArray[np.int8]  # (n,) code in EVENTS
    weight: FloatArray  # (n,) > 0
    n_users: int  # known users, without the padding row
    n_items: int  # products in the catalogue, without the padding row
    now: int  # end of the window: nothing here is later
    shown: Interactions | None = None  # impressions of the same window; None: none were read

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.item_idx)

    def filter(self, events: BoolArray) -> Interactions:
        """Return only the events of the (n,) mask, without `shown`; the users, the items and `now` stay."""
        columns = {
            name: getattr(self, name)[events] for name in ("user_idx", "item_idx", "timestamp", "event", "weight")
        }
        return replace(self, **columns, shown=None)

    def filter_users(self, users: BoolArray) -> Interactions:
        """Return only what the users of the (n_users + 1,) mask did and were shown."""
        shown = None if self.shown is None else self.shown.filter_users(users)
        return replace(self.filter(users[self.user_idx]), shown=shown)

    def by_user(self) -> Ragged:
        """Return (n_users + 1) rows: each known user's events, as views; row 0, of anonymous visitors, is empty."""
        known = slice(int(np.searchsorted(self.user_idx, 0, "right")), None)
        lengths = np.bincount(self.user_idx[known], minlength=self.n_users + 1)
        columns = (getattr(self, name)[known] for name in ("item_idx", "timestamp", "event", "weight"))
        return Ragged(offsets_of(lengths), *columns)


@dataclass(frozen=True)
class Catalogue:
    """The products, row = item_idx; row 0 is padding. Products without any event are in it too."""

    item_id: list[str]  # (n_items + 1,), "" at 0; the shop's own ids
    title: list[str]  # "" where the shop has none
    text: list[str]  # normalised title, brand, category and description: what the encoder reads
    brand: list[str]
    category: list[str]  # path, levels joined by " > "
    language: list[str]  # "en", "zh", or "" where unknown
    price: FloatArray  # (n_items + 1,); NaN where unknown
    embedding: FloatArray | None = None  # (n_items + 1, dim), unit rows; row 0 and textless items are zero
    vectors: dict[str, FloatArray] | None = None  # modality, such as "picture" -> (n_items + 1, its dims); zeros: none
    kind: list[str] | None = None  # "product", "article", "video", ...; None: all are products

    def __len__(self) -> int:
        """Return the number of products, without the padding row."""
        return len(self.item_id) - 1

    @property
    def kinds(self) -> list[str]:
        """Return the kind of each item, "" at 0."""
        return self.kind or ["", *[PRODUCT_KIND] * len(self)]

    @cached_property
    def kind_codes(self) -> tuple[list[str], IntArray]:
        """Return the names of the kinds, sorted, "" first; and (n_items + 1,) the index of each item's kind in them."""
        names = sorted({"", *self.kinds})
        code = {name: n for n, name in enumerate(names)}
        return names, np.array([code[name] for name in self.kinds], np.int32)


@dataclass(frozen=True)
class Users:
    """Users at one moment: what each did before `now`, and (in evaluation) what each did next.

    An unknown user is a row with an empty history: ordinary input, no special call. Where lists are made anew before
    each event, a user has several rows, one after the other.
    """

    user_idx: IntArray  # (n_users,); 0 where the user is unknown
    history: Ragged  # (n_users) rows, all before `now`
    now: int
    targets: Ragged | None = None  # (n_users) rows, ground truth at or after `now`

    def __len__(self) -> int:
        """Return the number of users, or of rows where a user has several."""
        return len(self.user_idx)

    @property
    def user_row(self) -> IntArray:
        """Return (n_rows,) the number of each row's user, from 0 in order; each unknown user is one of its own."""
        starts = (np.diff(self.user_idx) != 0) | (self.user_idx[1:] == 0)
        return np.concatenate([np.zeros(min(1, len(self))), np.cumsum(starts)]).astype(np.int32)

    @property
    def n_users(self) -> int:
        """Return the number of users, however many rows each has."""
        return int(self.user_row[-1]) + 1 if len(self) else 0

    @classmethod
    def concat(cls, parts: Sequence[Users]) -> Users:
        """Return the users of all parts without their targets, as of the latest moment among them."""
        history = Ragged.concat([part.history for part in parts])
        return cls(np.concatenate([part.user_idx for part in parts]), history, max(part.now for part in parts))

    @property
    def ground_truth(self) -> Ragged:
        """Return the targets; raises ContractError for users that have none."""
        if self.targets is None:
            raise ContractError("users without targets: nothing to evaluate against; read them with `window_users`")
        return self.targets

    def take(self, rows: NDArray[np.integer[Any]]) -> Users:
        """Return the users at these rows, with their targets."""
        targets = None if self.targets is None else self.targets.take(rows)
        return Users(self.user_idx[rows], self.history.take(rows), self.now, targets)

    def slice(self, start: int, stop: int) -> Users:
        """Return users start..stop as views, without targets, so that a model cannot read what it predicts."""
        return Users(self.user_idx[start:stop], self.history.slice(start, stop), self.now)

    def batches(self, size: int) -> Iterator[tuple[int, Users]]:
        """Yield (first row, users without targets), `size` users at a time."""
        for start in range(0, len(self), size):
            yield start, self.slice(start, start + size)

    def sample_rows(self, limit: int) -> IntArray:
        """Return the rows of at most `limit` users, evenly spread."""
        return np.flatnonzero(self.user_row % max(1, -(-self.n_users // limit)) == 0).astype(np.int32)

    def subsample(self, limit: int) -> Users:
        """Return at most `limit` users, evenly spread, with their targets."""
        return self.take(self.sample_rows(limit))

    def without_seen(self) -> Users:
        """Return the users without the targets that are in their history; users with no target left are dropped."""
        targets, history = self.ground_truth, self.history
        width = int(max(targets.item_idx.max(initial=0), history.item_idx.max(initial=0))) + 1
        seen = np.isin(targets.rows * width + targets.item_idx, history.rows * width + history.item_idx)
        left = targets.filter(~seen)
        rows = np.unique(left.rows[left.item_idx > 0])
        return Users(self.user_idx[rows], history.take(rows), self.now, left.take(rows))


@dataclass(frozen=True)
class Ranked:
    """The best k items per user; item 0 with score -inf fills a list that ran out of candidates."""

    items: IntArray  # (n_users, k), best first
    scores: FloatArray  # (n_users, k), descending


class Recommender(Protocol):
    """One contract for all models; `components/recommenders/base.py` ranks, a model scores."""

    name: ClassVar[str]
    scores_cold_items: ClassVar[bool]  # whether items without events get distinct scores, beyond popularity
    parts: Mapping[str, Recommender]  # the models that a blend consists of; empty for a single model
    after_epoch: Callable[[float], None] | None  # called with the validation NDCG, by models trained in epochs

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Learn from the interactions; `users` (with targets) is the validation window, for tuning only."""
        ...

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return (n_users, n_items + 1) scores, or (n_users, len(items)) for the given items. Finite, any scale."""
        ...

    def contributions(self, users: Users, items: IntArray) -> dict[str, FloatArray]:
        """Return what each part adds to the scores of the items, (n_users, len(items)) each; they sum up to `score`."""
        ...

    def use_ann_index(self, index: Any) -> bool:
        """Search lists in this AnnIndex from now on, if the model ranks by its vectors; return whether it does."""
        ...

    def recommend(self, users: Users, k: int, exclude_seen: bool = True, candidates: BoolArray | None = None) -> Ranked:
        """Rank all items, or those of the (n_items + 1,) candidates mask, in batches of users."""
        ...

    def save(self, folder: Path) -> None:
        """Write safetensors and JSON only; the same model gives the same bytes."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises ContractError when a file is missing or of another shape."""
        ...
