"""Bundles of the tiny world, and a shelf that plays the registry: an alias, and folders to copy."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from safetensors.numpy import save_file

from components.contracts import Catalogue, Interactions, Lineage, Users
from components.errors import ReleaseError
from components.params import Params, load
from components.recommenders.factory import create
from components.release.bundle import BundleInfo, BundleSources, EncoderInfo, build_bundle
from components.release.manifest import check_files
from components.release.registry import Version
from components.search.index import SearchIndex
from components.serving.http.admin import Admin
from components.serving.http.app import make_app, make_service
from components.serving.metrics import ServiceMetrics
from components.serving.models.watcher import ModelWatcher
from tests.support import checkerboard

from .postgres import Postgres, find_programs

ROOT = Path(__file__).parents[3]
World = tuple[Interactions, Catalogue, Users]
N_ITEMS = 20


class FakeRegistry:
    """A registry in a folder: versions are bundles; `down` makes it unreachable."""

    def __init__(self) -> None:
        self.bundles: dict[int, Path] = {}
        self.champion: int | None = None
        self.challenger: int | None = None
        self.down = False
        self.fetches = 0

    def put(self, folder: Path) -> int:
        number = len(self.bundles) + 1
        self.bundles[number] = folder
        self.champion = number
        return number

    def alias(self, name: str) -> Version | None:
        if self.down:
            raise ReleaseError("registry at http://gone: unreachable")
        number = {"champion": self.champion, "challenger": self.challenger}[name]
        if number is None:
            return None
        digest = sha256((self.bundles[number] / "manifest.json").read_bytes()).hexdigest()
        return version(number, digest)

    def fetch(self, number: int, folder: Path) -> Path:
        self.fetches += 1
        if not folder.exists():
            shutil.copytree(self.bundles[number], folder)
        check_files(folder)
        return folder


def version(number: int, digest: str) -> Version:
    lineage = Lineage(
        git_revision="0" * 40,
        git_dirty=False,
        data_version="d",
        params_digest="p",
        bundle_digest=digest,
        as_of="2026-03-01T00:00:00+00:00",
        model="ease",
    )
    return Version(number=number, lineage=lineage, metrics={}, run_id="r", created_at="", evaluation_digest="")


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


Remake = Callable[..., Path]


@pytest.fixture
def remake(bundle: Path, tmp_path: Path) -> Remake:
    """Return a function that makes another bundle: files replaced, the manifest honest about them."""

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
    """Return the follower, its first poll done."""
    watcher = ModelWatcher(registry, tmp_path / "serving", params.serving.poll_s, ServiceMetrics())
    watcher.folder.mkdir()
    watcher.poll()
    return watcher


@pytest.fixture
def client(watcher: ModelWatcher, params: Params) -> Iterator[TestClient]:
    with served(watcher, params) as client:
        yield client


TOKEN = "t0ken"


@contextmanager
def served(
    watcher: ModelWatcher, params: Params, state_url: str | None = None, **serving: object
) -> Iterator[TestClient]:
    """Yield a client of the whole app; `serving` changes knobs."""
    params = params.model_copy(update={"serving": params.serving.model_copy(update=serving)})
    service = make_service(watcher, params, state_url)
    app = make_app(service, Admin(service, TOKEN, watcher.folder.parent / "audit.jsonl"), dict)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.service = service  # type: ignore[attr-defined]
        yield client


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a PostgreSQL server; skips where it is not installed."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    # pytest's own folder is closed to the user postgres whenever another pytest starts
    with tempfile.TemporaryDirectory(prefix="postgres-", dir="/tmp") as folder:
        server = Postgres(Path(folder), programs)
        server.start()
        yield server
        server.stop()
