"""Per-user values of real models for bench_gate.py: fitted on windows of the gift shop, or of the simulated shop."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from components.contracts import EVENTS, Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions
from components.evaluation.metrics import per_user
from components.evaluation.slices import cold_users
from components.params import Params, load
from components.recommenders.factory import create
from components.times import DAY_US, to_micros

CHECKOUT = Path(__file__).resolve().parents[2]
OVERLAY = CHECKOUT / "examples/online_retail/params.yaml"
COLUMNS = ("user_idx", "item_idx", "timestamp", "event", "weight")
METRIC, K = "ndcg_at_10", 20
MODELS = ("als", "als 2", "ease", "neighbours")  # "als 2" differs from "als" by its seed alone


@dataclass(frozen=True)
class Shop:
    """All events of a shop, and its parameters."""

    events: Interactions
    catalogue: Catalogue
    params: Params

    def before(self, now: int) -> Interactions:
        """Return the events before a moment (us)."""
        return self._cut(self.events.timestamp < now, now)

    def users(self, start: int, end: int) -> Users:
        """Return the users with targets in the window: history before its start, targets in it."""
        targets = [EVENTS.index(name) for name in self.params.split.target_events]
        inside = (self.events.timestamp >= start) & (self.events.timestamp < end)
        future = self._cut(inside & np.isin(self.events.event, targets), end).by_user()
        who = np.flatnonzero(future.lengths).astype(np.int32)
        history = self.before(start).by_user().take(who).newest(self.params.split.max_history)
        users = Users(who, history, start, future.take(who))
        return users.without_seen() if self.params.recommend.exclude_seen else users

    def fit(self, name: str, now: int) -> Recommender:
        """Return a model of MODELS fitted on the events before a moment."""
        recipe, _, seed = name.partition(" ")
        params = self.params.model_copy(update={"seed": self.params.seed + int(seed or 0)})
        none = Users(np.zeros(0, np.int32), self.before(now).by_user().take(np.zeros(0, np.int64)), now)
        return create(recipe, params).fit(self.before(now), self.catalogue, none)

    def values(self, model: Recommender, users: Users) -> tuple[FloatArray, IntArray, FloatArray]:
        """Return the metric of each user, (n_users,), and lists with their scores, (n_users, K) each."""
        ranked = model.recommend(users, K, self.params.recommend.exclude_seen)
        return per_user(ranked.items, users.ground_truth, [10])[METRIC], ranked.items, ranked.scores

    def _cut(self, rows: np.ndarray, now: int) -> Interactions:
        return replace(self.events, **{c: getattr(self.events, c)[rows] for c in COLUMNS}, now=now)


@dataclass(frozen=True)
class Pool:
    """Values of the same users by several models, from which pairs are drawn."""

    values: dict[str, FloatArray]  # model -> (n_users,)
    cold: np.ndarray  # (n_users,) bool

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.cold)


def read_shop(data: Path | None) -> Shop:
    """Return the gift shop in the folder, or the simulated shop."""
    values = ["split.validation_days=1", "split.test_days=1"]
    params = load(CHECKOUT / "params.yaml", [OVERLAY] if data else [], values)
    with tempfile.TemporaryDirectory(prefix="gate-") as name:
        folder = Path(name)
        made = [folder / part for part in ("data", "snapshot", "split", "quarantine")]
        for path in made:
            path.mkdir()
        if data:
            (folder / "data/online_retail").symlink_to(data.resolve())
        else:
            write_shop(params.shop, params.seed, folder / "data/raw")
        take_snapshot(params.data, folder, made[1], made[3])
        make_split(made[1], made[2], params.split, params.data.as_of, params.data.memory_gib)
        return Shop(read_interactions(made[2], ("train", "validation", "test")), read_catalogue(made[2]), params)


def make_pool(shop: Shop, ends: list[datetime], days: int) -> Pool:
    """Return the users of several test windows that end at these times; models are fitted before each window."""
    parts, cold = {name: [] for name in MODELS}, []
    for end in ends:
        start = to_micros(end - timedelta(days=days))
        users = shop.users(start, to_micros(end))
        cold.append(cold_users(users, shop.params.evaluation.cold_user_events))
        for name in MODELS:
            parts[name].append(shop.values(shop.fit(name, start), users)[0])
    return Pool({name: np.concatenate(rows) for name, rows in parts.items()}, np.concatenate(cold))


def nightly_values(
    shop: Shop, first: datetime, nights: Sequence[int], days: int, models: Sequence[str]
) -> dict[str, FloatArray]:
    """Return for each model (n_users + 1, nights) values on the window of `days` before each night; NaN: no target.

    nights: days after `first`. Each model is fitted anew before each window, as a retrain does.
    """
    found = {name: np.full((shop.events.n_users + 1, len(nights)), np.nan, np.float32) for name in models}
    for column, night in enumerate(nights):
        end = to_micros(first) + night * DAY_US
        start = end - days * DAY_US
        users = shop.users(start, end)
        for name, values in found.items():
            values[users.user_idx, column] = shop.values(shop.fit(name, start), users)[0]
    return found


def iterate_holdouts(shop: Shop, first: datetime, nights: int) -> Iterator[tuple[int, Users]]:
    """Yield the start of each night's holdout and its users: the fewest whole days with refresh.min_users users."""
    section = shop.params.refresh
    for night in range(nights):
        end = to_micros(first) + night * DAY_US
        users = shop.users(end - DAY_US, end)
        days = 1
        while len(users) < section.min_users and days < section.max_holdout_days:
            days += 1
            users = shop.users(end - days * DAY_US, end)
        yield end - days * DAY_US, users
