"""What packages exchange: column names, frozen records, the Recommender protocol.

An index of 0 is padding everywhere: item 0 is no item, user 0 is an anonymous visitor.
Arrays of items or users therefore have n + 1 rows. Times are int64 microseconds since 1970 (UTC).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from components.errors import ContractError
from components.ragged import Ragged, offsets_of

IntArray = NDArray[np.int32]
TimeArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

EVENTS = ("view", "cart", "purchase", "return", "impression", "click")  # index = code in `event`

PRODUCTS = ("item_id", "title", "description", "brand", "category", "price", "language", "image", "timestamp")
EVENT_COLUMNS = (
    "user_id", "item_id", "timestamp", "event", "quantity", "price", "session_id", "position", "propensity",
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

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.item_idx)

    def by_user(self) -> Ragged:
        """Return (n_users + 1) rows: the events of each known user; row 0, of anonymous visitors, is empty."""
        known = self.user_idx > 0
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

    def __len__(self) -> int:
        """Return the number of products, without the padding row."""
        return len(self.item_id) - 1


@dataclass(frozen=True)
class Users:
    """Users at one moment: what each did before `now`, and (in evaluation) what each did next.

    An unknown user is a row with an empty history: ordinary input, no special call.
    """

    user_idx: IntArray  # (n_users,); 0 where the user is unknown
    history: Ragged  # (n_users) rows, all before `now`
    now: int
    targets: Ragged | None = None  # (n_users) rows, ground truth at or after `now`

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.user_idx)

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
        return np.arange(0, len(self), max(1, -(-len(self) // limit)), dtype=np.int32)

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


class Record(BaseModel):
    """A small frozen record that crosses a stage boundary as JSON; no field beyond those named."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="constants")


class ChampionRef(Record):
    """The model that serves: its registry version, bundle digest, and what it was compared on."""

    version: int
    digest: str  # sha256 of the bundle's manifest.json
    model: str  # recommender name inside the bundle


class SliceRow(Record):
    """One metric of one model on one slice of the test users or of the target items."""

    slice: str  # "user:cold", "user:warm", "item:cold", "item:warm", "language:zh" ...
    model: str
    n_users: int
    metrics: dict[str, float]


class Evaluation(Record):
    """reports/evaluate/evaluation.json: everything that the gate and the reader need, without user ids."""

    as_of: str  # ISO date-time, end of the test window
    protocol: str  # "global_time" or "leave_one_out"
    window: tuple[str, str]  # test window, ISO
    simulated: bool
    n_users: int
    n_items: int
    primary: str  # metric that decides, e.g. "ndcg_at_10"
    challenger: str  # best candidate on validation
    baselines: list[str]  # the simple models that a challenger must beat
    champion: ChampionRef | None
    champion_saw_test: bool  # True: the champion was trained on part of this test window; then nothing is promoted
    validation: dict[str, dict[str, float]]  # model -> metric -> value
    test: dict[str, dict[str, float]]  # same; the serving champion is under the name "champion"
    slices: list[SliceRow]
    overfit_gap: dict[str, float]  # model -> validation minus test of the primary metric
    unfinished: tuple[str, ...] = ()  # trainings that a limit in minutes stopped; then nothing is promoted


class DriftVerdict(Record):
    """reports/drift/drift.json: our own verdict; Evidently only shows it."""

    drifted: bool
    computable: bool  # False when a column or window was missing: never read as "no drift"
    reasons: list[str]
    columns: dict[str, float]  # column -> distance, unit of its test
    thresholds: dict[str, float]
    n_reference: int
    n_current: int
    reference: str  # where it came from: "champion 3", or "own training window"


class Lineage(Record):
    """Where a version comes from: enough to rebuild it. Each field becomes a tag of the registered version."""

    git_revision: str
    git_dirty: bool  # True: the checkout had changes that the revision does not hold
    data_version: str  # DVC's digest of data/snapshot
    params_digest: str  # sha256 of run/params.yaml
    bundle_digest: str  # sha256 of the bundle's manifest.json
    as_of: str
    model: str  # recommender name inside the bundle


class Interval(Record):
    """A paired bootstrap interval of the mean per-user difference, challenger minus the other."""

    gain: float
    low: float
    high: float
    n_users: int


class Check(Record):
    """One rule of the gate: a gain that must be shown, or a guardrail that must hold."""

    name: str  # "gain over champion", "gain over popularity", "slice user:cold", "coverage", "latency" ...
    passed: bool
    value: float | None  # None: not computable, which never passes
    limit: float | None
    why: str  # one sentence with the numbers
    high: float | None = None  # of a slice: the upper bound of its gain


class Decision(Record):
    """reports/decision.json: the only thing that `promote` accepts."""

    verdict: Literal["promote", "keep", "not_enough_evidence"]
    mode: Literal["enabled", "dry_run", "disabled"]
    bootstrap: bool  # True: first promotion, requested explicitly; there was no champion to compare with
    reasons: list[str]
    checks: list[Check]
    gain: Interval | None  # over the champion; over the best simple baseline where there is no champion
    users_needed: int | None  # further test users needed for a decision, as estimated from the measured gain
    challenger_version: int
    challenger_digest: str
    champion: ChampionRef | None  # the one compared with; `promote` refuses if another one serves by then
    primary: str
    as_of: str
    evaluation_digest: str  # sha256 of evaluation.json
    decided_at: str  # ISO, UTC
    users_needed_interval: tuple[int, int | None] | None = None  # of users_needed; None above: no upper bound
    notes: list[str] = []  # what was not judged, and why: slices with too few users
    signature: str | None = None  # HMAC-SHA256 of the other fields, where CAROUSEL_SIGNING_KEY is set
