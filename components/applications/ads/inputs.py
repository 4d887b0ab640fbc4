"""What the stage `ads` reads: table of ads, impressions, segments, and the ranker's probabilities of ads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.applications.ads.build import Predicted
from components.applications.ads.campaigns import Ad, AdTable, read_ads
from components.applications.ads.published import EVENTS
from components.applications.ads.reliability import SlotImpressions
from components.contracts import FloatArray, IntArray
from components.data.flat_files import read_flat_file, require_columns
from components.data.partitions import consented, partitions
from components.data.tables import read_catalogue, read_info, read_interactions
from components.errors import ContractError
from components.params import AdsParams, Params
from components.profiles.features import read_features
from components.ranking.examples import TASKS, Examples, read_examples
from components.times import DAY_US

if TYPE_CHECKING:
    from components.ranking.ranker import Ranker

TRAFFIC_DAYS = 28  # newest days from which the traffic's hours are learned
MIN_IMPRESSIONS = 1000  # of those days; fewer say too little about any slot


def read_table(root: Path, params: AdsParams, data_root: Path) -> AdTable:
    """Return the table of ads; raises ContractError where none is named, or it cannot be read."""
    if params.source is None:
        raise ContractError("ads.source is null: name the table of ads, or set ads.enabled=false")
    items = pq.read_table(root / "data/split/items.parquet", columns=["item_id"], page_checksum_verification=True)
    return read_ads(data_root / params.source, params.columns, set(items["item_id"].to_pylist()))


def read_segments(params: AdsParams, data_root: Path) -> dict[str, tuple[str, ...]]:
    """Return user_id -> names of segments; empty where no table is named."""
    if params.segments is None:
        return {}
    path = data_root / params.segments
    table = read_flat_file(path, "ads.segments", as_text=True)
    require_columns(table, ["user_id", "segment"], f"ads.segments {path}")
    found: dict[str, list[str]] = {}
    for user, name in zip(table["user_id"].to_pylist(), table["segment"].to_pylist(), strict=True):
        if user and name:
            found.setdefault(user, []).append(name)
    return {user: tuple(sorted(set(names))) for user, names in found.items()}


def impression_times(root: Path) -> NDArray[np.int64]:
    """Return the times (us) of impressions in the newest TRAFFIC_DAYS days, in ascending order."""
    import duckdb

    end = read_info(root / "data/split").test_end
    files = [str(path) for path in partitions(root / "data/snapshot", "events")]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        used = consented(connection, files, "advertise")
        rows = connection.execute(
            f"SELECT epoch_us(timestamp) AS t FROM read_parquet($1) WHERE event = 'impression' AND {used} "  # noqa: S608
            "AND epoch_us(timestamp) >= $2 AND epoch_us(timestamp) < $3 ORDER BY t",
            [files, end - TRAFFIC_DAYS * DAY_US, end],
        ).fetchnumpy()
    return np.asarray(rows["t"], np.int64)


def read_list_examples(root: Path, params: Params) -> Examples:
    """Return the test window's impressions: the ranker has learned from those before."""
    folders = root / "data/snapshot", root / "data/split"
    return read_examples(*folders, "test", params.ranking, params.seed, params.data.memory_gib, "advertise")


def list_impressions(examples: Examples, ranker: Ranker | None, event: str) -> SlotImpressions:
    """Return the impressions of the shop's lists, by position; without a ranker all predictions are equal."""
    outcome = examples.labels[:, [task == event for task in TASKS].index(True)]
    n = len(examples)
    p = np.full(n, 0.5, np.float32) if ranker is None else probability(ranker, examples.user, examples.item, event)
    return SlotImpressions(p, examples.position.astype(np.int64) + 1, outcome, examples.user)


def probability(ranker: Ranker, user: IntArray, item: IntArray, event: str) -> FloatArray:
    """Return (n,) the ranker's probability in the first position, as the service asks for it."""
    return ranker.predict_proba(user, item)[:, list(ranker.tasks).index(event)]


def load_ranker(root: Path, params: Params) -> Ranker | None:
    """Return the ranker with the features of the split's users; None where the shop has none that may ship."""
    if not (root / "models/ranker/ranker.json").is_file():
        return None
    from components.ranking.features import ranker_inputs
    from components.ranking.ranker import Ranker

    split, ranker = root / "data/split", Ranker.load(root / "models/ranker")
    if any(event not in ranker.tasks for event in EVENTS):
        return None
    profiles = read_features(root / "profiles", split)
    past, catalogue = read_interactions(split, ("train",)), read_catalogue(split, root / "features")
    ranker.inputs = ranker_inputs(past, catalogue, profiles, params.ranking.recency)
    return ranker


def predict(root: Path, ranker: Ranker | None, ads: Sequence[Ad], users: Iterable[str]) -> Predicted:
    """Return the probabilities of these users, in their order, on the ads; without a ranker all are NaN."""
    split = root / "data/split"
    user_idx = _index(split / "users.parquet", "user_id", "user_idx")
    item_idx = _index(split / "items.parquet", "item_id", "item_idx")
    known = [user for user in dict.fromkeys(users) if user in user_idx]
    rows: IntArray = np.array([0, *(user_idx[user] for user in known)], np.int32)
    items: IntArray = np.array([item_idx.get(ad.item_id or "", 0) for ad in ads], np.int32)
    found: dict[str, FloatArray] = {event: np.full((len(rows), len(ads)), np.nan, np.float32) for event in EVENTS}
    has_item = np.flatnonzero(items > 0)
    if ranker is not None and len(has_item):
        pairs = np.repeat(rows, len(has_item)), np.tile(items[has_item], len(rows))
        for event in EVENTS:
            found[event][:, has_item] = probability(ranker, *pairs, event).reshape(len(rows), len(has_item))
    return Predicted({user: n for n, user in enumerate(known, start=1)}, found)


def _index(path: Path, key: str, number: str) -> dict[str, int]:
    table = pq.read_table(path, columns=[key, number], page_checksum_verification=True)
    return dict(zip(table[key].to_pylist(), table[number].to_pylist(), strict=True))
