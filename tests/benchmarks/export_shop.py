"""A shop for bench_export.py: random histories, and a bundle of ALS fitted on them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from components.contracts import EVENTS, Catalogue, Interactions, Users
from components.params import Params
from components.ragged import Ragged
from components.recommenders.als import AlsRecommender
from components.recommenders.factory import create
from components.release.bundle import BundleInfo, BundleSources, EncoderInfo, build_bundle
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.times import HOUR_US, now_micros

EVENTS_PER_USER = 25


def random_events(n_users: int, n_items: int, seed: int = 0) -> Interactions:
    """Return views and purchases; a user's products are different, and popular products more frequent."""
    rng = np.random.default_rng(seed)
    n = n_users * EVENTS_PER_USER
    item_idx = 1 + np.minimum(n_items * rng.random(n) ** 2, n_items - 1).astype(np.int32)
    now = now_micros() - HOUR_US
    event = rng.choice([EVENTS.index("view"), EVENTS.index("purchase")], n, p=[0.8, 0.2]).astype(np.int8)
    return Interactions(
        user_idx=np.repeat(np.arange(1, n_users + 1, dtype=np.int32), EVENTS_PER_USER),
        item_idx=item_idx,
        timestamp=now - n + np.arange(n),
        event=event,
        weight=np.where(event == EVENTS.index("purchase"), 1.0, 0.3).astype(np.float32),
        n_users=n_users,
        n_items=n_items,
        now=now,
    )


def fill_store(path: Path, interactions: Interactions, item_ids: list[str]) -> None:
    """Write the events into the store of a service, which finds its users by names such as u0000001."""
    store = SqliteEventStore(path)
    columns = (interactions.user_idx, interactions.item_idx, interactions.timestamp, interactions.event)
    store.bulk_insert(
        StoredEvent(f"u{user:07d}", at, item_ids[item], EVENTS[event])
        for user, item, at, event in zip(*(column.tolist() for column in columns), strict=True)
    )
    store.close()


def fit_als(params: Params, interactions: Interactions, catalogue: Catalogue) -> AlsRecommender:
    """Return ALS on the events, of the width in params."""
    return AlsRecommender.from_params(params).fit(interactions, catalogue, nobody(interactions))


def nobody(interactions: Interactions) -> Users:
    """Return no users."""
    empty = (np.zeros(0, t) for t in (np.int32, np.int64, np.int8, np.float32))
    return Users(np.zeros(0, np.int32), Ragged(np.zeros(1, np.int64), *empty), interactions.now)


def make_catalogue(n_items: int) -> Catalogue:
    """Return products without texts."""
    empty = [""] * (n_items + 1)
    names = ["", *(f"P{n:07d}" for n in range(1, n_items + 1))]
    price = np.full(n_items + 1, np.nan, np.float32)
    vectors = np.zeros((n_items + 1, 8), np.float32)
    return Catalogue(names, names, empty, empty, empty, empty, price, vectors)


def make_bundle(folder: Path, params: Params, interactions: Interactions, catalogue: Catalogue) -> Path:
    """Fit ALS and popularity, and build their bundle."""
    fit_als(params, interactions, catalogue).save(folder / "als")
    create("popularity", params).fit(interactions, catalogue, nobody(interactions)).save(folder / "popularity")
    for name in ("split", "features"):
        (folder / name).mkdir()
    fields = ("item_id", "title", "brand", "category", "language", "price")
    columns = {name: getattr(catalogue, name)[1:] for name in fields} | {"description": catalogue.text[1:]}
    columns["item_idx"] = np.arange(1, len(catalogue) + 1, dtype=np.int32)
    pq.write_table(pa.table(columns), folder / "split/items.parquet", write_page_checksum=True)
    save_file({"embedding": catalogue.embedding}, folder / "features/items.safetensors")
    pq.write_table(pa.table({"price": [1.0]}), folder / "reference.parquet", write_page_checksum=True)
    info = BundleInfo(
        model="als", as_of="", train_end=interactions.now, validation_end=interactions.now, n_items=len(catalogue),
        max_history=params.split.max_history, exclude_seen=True, weights={"view": 0.3, "purchase": 1.0}, simulated=True,
        encoder=EncoderInfo(model="none", digest="0" * 64, dim=8, max_tokens=8),
    )  # fmt: skip
    sources = BundleSources(
        folder / "als", folder / "popularity", folder / "split", folder / "features", folder / "reference.parquet"
    )
    build_bundle(folder / "bundle", sources, info)
    return folder / "bundle"
