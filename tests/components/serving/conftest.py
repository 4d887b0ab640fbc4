"""Fixtures of the tests of serving: a bundle of the checkerboard, a registry that holds it, and a client of the app."""

import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from safetensors.numpy import save_file

from components.params import Params, load
from components.recommenders.factory import create
from components.release.bundle import BundleInfo, BundleSources, EncoderInfo, build_bundle
from components.search.index import SearchIndex
from components.serving.metrics import ServiceMetrics
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.postgres import Postgres, find_programs
from tests.components.serving.support import N_ITEMS, ROOT, FakeRegistry, Remake, serving_client
from tests.support import checkerboard


@pytest.fixture(scope="session")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["models.ease.l2=5", "serving.max_k=50", "serving.poll_s=0.05"])


@pytest.fixture(scope="session")
def built(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EASE on the checkerboard, built once; item 20 was never sold, item 19 has no text."""
    interactions, catalogue, users = checkerboard()
    root = tmp_path_factory.mktemp("sources")
    for name in ("ease", "popularity"):
        create(name, params).fit(interactions, catalogue, users).save(root / name)
    (root / "split").mkdir()
    (root / "features").mkdir()
    columns = {c: getattr(catalogue, c)[1:] for c in ("item_id", "title", "brand", "category", "language", "price")}
    columns |= {"item_idx": np.arange(1, N_ITEMS + 1, dtype=np.int32), "description": [""] * N_ITEMS}
    pq.write_table(pa.table(columns), root / "split/items.parquet", write_page_checksum=True)
    assert catalogue.embedding is not None
    catalogue.embedding[19] = 0
    save_file({"embedding": catalogue.embedding.astype(np.float16)}, root / "features/items.safetensors")
    pq.write_table(pa.table({"price": [1.0]}), root / "reference.parquet", write_page_checksum=True)
    SearchIndex.build(catalogue, params.search).save(root / "search")
    info = BundleInfo(
        model="ease",
        as_of="2026-03-01T00:00:00+00:00",
        train_end=interactions.now,
        validation_end=interactions.now + 1,
        n_items=N_ITEMS,
        max_history=50,
        exclude_seen=True,
        weights={"view": 0.3, "purchase": 1.0},
        simulated=True,
        encoder=EncoderInfo(model="minilm", digest="0" * 64, dim=8, max_tokens=8),
        profiles=params.profiles,
    )
    sources = BundleSources(
        model=root / "ease",
        fallback=root / "popularity",
        split=root / "split",
        features=root / "features",
        drift_reference=root / "reference.parquet",
        search=root / "search",
    )
    build_bundle(root / "bundle", sources, info)
    return root / "bundle"


@pytest.fixture
def bundle(built: Path, tmp_path: Path) -> Path:
    """Return a copy of the bundle that the test may change."""
    return Path(shutil.copytree(built, tmp_path / "bundle"))


@pytest.fixture
def remake(bundle: Path, tmp_path: Path) -> Remake:
    """Return a function that makes another bundle: files replaced, the manifest updated."""

    def call(name: str, files: dict[str, bytes] | None = None, **info: object) -> Path:
        folder = tmp_path / name
        shutil.copytree(bundle, folder)
        tree = json.loads((folder / "info.json").read_text()) | {"as_of": name} | info
        for file, content in {"info.json": json.dumps(tree).encode(), **(files or {})}.items():
            (folder / file).write_bytes(content)
            manifest = json.loads((folder / "manifest.json").read_text())
            manifest["files"][file] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
            (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return call


@pytest.fixture
def registry(bundle: Path) -> FakeRegistry:
    registry = FakeRegistry()
    registry.put(bundle)
    return registry


@pytest.fixture
def watcher(registry: FakeRegistry, params: Params, tmp_path: Path) -> ModelWatcher:
    """Return the watcher after its first poll."""
    watcher = ModelWatcher(registry, tmp_path / "serving", params.serving.poll_s, ServiceMetrics())
    watcher.folder.mkdir(exist_ok=True)
    watcher.poll()
    return watcher


@pytest.fixture
def mixed_watcher(registry: FakeRegistry, remake: Remake, watcher: ModelWatcher, bundle: Path) -> ModelWatcher:
    """Return the watcher of a catalogue of which each fourth item is an article."""
    kinds = ["article" if n % 4 == 0 else "product" for n in range(1, N_ITEMS + 1)]
    content = io.BytesIO()
    table = pq.read_table(bundle / "items.parquet").append_column("kind", pa.array(kinds))
    pq.write_table(table, content, write_page_checksum=True)
    registry.put(remake("mixed", {"items.parquet": content.getvalue()}))
    watcher.poll()
    return watcher


@pytest.fixture
def client(watcher: ModelWatcher, params: Params) -> Iterator[TestClient]:
    with serving_client(watcher, params) as client:
        yield client


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a PostgreSQL server; skips where it is not installed."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    # not pytest's folder: another pytest makes it inaccessible to the user postgres when it starts
    with tempfile.TemporaryDirectory(prefix="postgres-", dir="/tmp") as folder:
        server = Postgres(Path(folder), programs)
        server.start()
        yield server
        server.stop()
