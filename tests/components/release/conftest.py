"""What the tests of this room share: a bundle of the tiny world, an evaluation, a registry in a folder of its own."""

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components.contracts import Catalogue, Interactions, Lineage, Users
from components.params import Params, load
from components.recommenders.library import create
from components.release.bundle import BundleInfo, EncoderInfo, build_bundle, open_bundle
from components.release.registry import Registry
from components.settings import Settings

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


@pytest.fixture(scope="session")
def empty_database(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database without a version, made once: the tables take seconds."""
    home = tmp_path_factory.mktemp("template")
    registry = Registry(Settings(home=home).resolved(home), params.release)
    registry.prepare()
    return home / "mlflow.db"


@pytest.fixture
def settings(empty_database: Path, tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(empty_database, home / "mlflow.db")
    return Settings(home=home).resolved(tmp_path)


@pytest.fixture
def registry(settings: Settings, params: Params) -> Registry:
    return Registry(settings, params.release)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Return a folder with what a run leaves beside its bundle."""
    root = tmp_path / "run_folder"
    (root / "reports/evaluate").mkdir(parents=True)
    (root / "reports/evaluate/evaluation.json").write_text("{}")
    (root / "reports/evaluate/report.html").write_text("<p>report</p>")
    (root / "reports/evaluate/per_user.parquet").write_bytes(b"rows")
    curve = root / "reports/finetune/plots/metrics/train/loss.tsv"
    curve.parent.mkdir(parents=True)
    curve.write_text("step\ttrain/loss\n0\t3.5\n1\t2.5\n2\t1.25\n")
    (root / "run").mkdir()
    shutil.copyfile(ROOT / "params.yaml", root / "run/params.yaml")
    (root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    return root


def lineage_of(digest: str, model: str = "ease") -> Lineage:
    return Lineage(
        git_revision="0" * 40,
        git_dirty=False,
        data_version="d.dir",
        params_digest="p",
        bundle_digest=digest,
        as_of="2026-03-01T00:00:00+00:00",
        model=model,
    )


Register = Callable[..., int]


@pytest.fixture
def register(registry: Registry, bundle: Path, run_folder: Path, tmp_path: Path) -> Register:
    """Return a function that registers a bundle, by default the one of the tiny world, changed by `mark`."""

    def call(mark: str = "", metrics: dict[str, float] | None = None) -> int:
        folder = remade(bundle, tmp_path / f"bundle-{mark}", mark) if mark else bundle
        return registry.register(
            folder,
            lineage_of(open_bundle(folder).digest),
            metrics or {"test/ease/ndcg_at_10": 0.25},
            run_folder / "reports",
            run_folder / "run/params.yaml",
            run_folder / "dvc.lock",
        )

    return call


def remade(bundle: Path, folder: Path, mark: str) -> Path:
    """Return another honest bundle: the same files, info.json saying another as_of, a manifest of its own."""
    if folder.exists():
        return folder
    shutil.copytree(bundle, folder)
    tree = json.loads((folder / "info.json").read_text()) | {"as_of": mark}
    content = json.dumps(tree).encode()
    (folder / "info.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["info.json"] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
