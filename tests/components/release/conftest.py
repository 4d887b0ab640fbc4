"""What the tests of this room share: a bundle of the tiny world, an evaluation, a registry in a folder of its own."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components.contracts import Catalogue, Interactions, Users
from components.params import Params, load
from components.recommenders.library import create
from components.release.bundle import BundleInfo, EncoderInfo, build_bundle

ROOT = Path(__file__).parents[3]
World = tuple[Interactions, Catalogue, Users]


@pytest.fixture(scope="session")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["models.ease.l2=5", "models.als.factors=2"])


@pytest.fixture
def info() -> BundleInfo:
    return BundleInfo(
        model="ease",
        as_of="2026-03-01T00:00:00+00:00",
        train_end=1,
        validation_end=2,
        n_items=20,
        max_history=50,
        exclude_seen=True,
        weights={"purchase": 1.0},
        simulated=True,
        encoder=EncoderInfo(model="minilm", digest="0" * 64, dim=8, max_tokens=8),
    )


@pytest.fixture
def sources(world: World, params: Params, tmp_path: Path) -> dict[str, Path]:
    """Return the folders that a bundle is made from, filled with the tiny world and fitted models."""
    interactions, catalogue, users = world
    root = tmp_path / "sources"
    for name in ("ease", "popularity", "neighbours"):
        create(name, params).fit(interactions, catalogue, users).save(root / name)
    write_items(root / "split", catalogue)
    (root / "features").mkdir()
    assert catalogue.embedding is not None
    save_file({"embedding": catalogue.embedding.astype(np.float16)}, root / "features/items.safetensors")
    pq.write_table(pa.table({"price": [1.0, 2.0]}), root / "reference.parquet", write_page_checksum=True)
    return {
        "model": root / "ease",
        "fallback": root / "popularity",
        "split": root / "split",
        "features": root / "features",
        "drift_reference": root / "reference.parquet",
    }


def write_items(split: Path, catalogue: Catalogue) -> None:
    split.mkdir(parents=True)
    columns = {
        "item_idx": np.arange(1, len(catalogue) + 1, dtype=np.int32),
        "item_id": catalogue.item_id[1:],
        "title": catalogue.title[1:],
        "description": [""] * len(catalogue),
        "brand": catalogue.brand[1:],
        "category": catalogue.category[1:],
        "language": catalogue.language[1:],
        "price": catalogue.price[1:],
    }
    pq.write_table(pa.table(columns), split / "items.parquet", write_page_checksum=True)


@pytest.fixture
def bundle(sources: dict[str, Path], info: BundleInfo, tmp_path: Path) -> Path:
    """Return a bundle of EASE on the tiny world."""
    build_bundle(tmp_path / "bundle", **sources, info=info, encoder=None)
    return tmp_path / "bundle"
