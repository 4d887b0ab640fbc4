"""Outputs of earlier stages, written for the tiny world."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import save_file

from components.contracts import Catalogue, Interactions, Users
from components.data.tables import SplitInfo
from components.params import SelectionParams
from tests.support import ROOT

World = tuple[Interactions, Catalogue, Users]


def write_split(folder: Path, world: World) -> None:
    """Write the outputs of `split` and `encode` for the checkerboard."""
    events, catalogue, users = world
    split, features = folder / "data/split", folder / "features"
    split.mkdir(parents=True)
    features.mkdir()
    n = len(catalogue)
    columns = ("item_id", "title", "brand", "category", "language")
    items = {"item_idx": np.arange(1, n + 1, dtype=np.int32), **{c: getattr(catalogue, c)[1:] for c in columns}}
    items |= {"description": [""] * n, "price": catalogue.price[1:].astype(np.float64)}
    pq.write_table(pa.table(items), split / "items.parquet", write_page_checksum=True)
    names = ("user_idx", "item_idx", "timestamp", "event", "weight")
    train = {c: getattr(events, c) for c in names} | {"target": np.ones(len(events), bool)}
    pq.write_table(pa.table(train), split / "train.parquet", write_page_checksum=True)
    assert users.targets is not None
    next_ones = {c: getattr(users.targets, c) for c in names[1:]}
    who = np.repeat(users.user_idx, np.diff(users.targets.offsets))
    later = {"user_idx": who, **next_ones, "target": np.ones(len(who), bool)}
    for number, window in enumerate(("validation", "test"), start=1):
        later["timestamp"] = np.full(len(who), number * events.now)
        pq.write_table(pa.table(later), split / f"{window}.parquet", write_page_checksum=True)
    info = SplitInfo(
        protocol="global_time",
        train_end=events.now,
        validation_end=2 * events.now,
        test_end=3 * events.now,
        n_users=events.n_users,
        n_items=n,
        max_history=50,
        simulated=True,
    )
    (split / "split.json").write_text(info.model_dump_json())
    assert catalogue.embedding is not None
    save_file({"embedding": catalogue.embedding.astype(np.float16)}, features / "items.safetensors")


def selected(**changes: object) -> dict[str, object]:
    """Return a section selection: ALS ships, with popularity beside it."""
    values: dict[str, object] = {
        "recommender": "als",
        "best_simple": "popularity",
        "language": "0" * 64,
        "sequence_epochs": None,
        "ranker_epochs": None,
        "blend": None,
        "selected_until": "2026-01-01T00:00:00Z",
    }
    return SelectionParams.model_validate(values | changes).model_dump(mode="json")


def select(**changes: object) -> None:
    """Set the section selection of run/params.yaml in the current folder."""
    path = Path("run/params.yaml")
    tree = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(tree | {"selection": selected(**changes)}, sort_keys=False, allow_unicode=True))


def no_reviews(features: Path) -> None:
    """Write the output of `encode` for a shop in which every review has stars."""
    features.mkdir(exist_ok=True)
    reviews = pa.table({"text": pa.array([], pa.string()), "sentiment": pa.array([], pa.float64())})
    pq.write_table(reviews, features / "reviews.parquet", write_page_checksum=True)


def digest(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def enter_checkout(folder: Path, overrides: str, patch: pytest.MonkeyPatch) -> Path:
    """Make a checkout with only params.yaml, under these overrides; change into it until the patch is undone."""
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    patch.chdir(folder)
    patch.setenv("CAROUSEL_OVERRIDES", overrides)
    patch.setenv("CAROUSEL_HOME", str(folder / "home"))
    patch.delenv("CAROUSEL_PARAMS", raising=False)
    return folder
