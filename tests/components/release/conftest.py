"""What the tests of this room share: a bundle of the tiny world, an evaluation, a registry in a folder of its own."""

import json
import shutil
import uuid
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components.contracts import Catalogue, Check, Decision, Interval, Lineage
from components.params import Params, load
from components.recommenders.factory import create
from components.release.bundle import BundleInfo, EncoderInfo, build_bundle, open_bundle
from components.release.registry import Registry
from components.settings import Settings
from tests.conftest import checkerboard

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["models.ease.l2=5", "models.als.factors=2"])


INFO = BundleInfo(
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


@pytest.fixture(scope="session")
def info() -> BundleInfo:
    return INFO


@pytest.fixture(scope="session")
def made(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sources of a bundle, and the bundle of EASE on the tiny world; made once, to copy."""
    interactions, catalogue, users = checkerboard()
    root = tmp_path_factory.mktemp("made")
    for name in ("ease", "popularity", "neighbours"):
        create(name, params).fit(interactions, catalogue, users).save(root / "sources" / name)
    write_items(root / "sources/split", catalogue)
    (root / "sources/features").mkdir()
    assert catalogue.embedding is not None
    save_file({"embedding": catalogue.embedding.astype(np.float16)}, root / "sources/features/items.safetensors")
    pq.write_table(pa.table({"price": [1.0, 2.0]}), root / "sources/reference.parquet", write_page_checksum=True)
    build_bundle(root / "bundle", **in_folder(root / "sources"), info=INFO, encoder=None)
    return root


@pytest.fixture
def sources(made: Path, tmp_path: Path) -> dict[str, Path]:
    """Return what a bundle is made from, in a folder of its own."""
    return in_folder(Path(shutil.copytree(made / "sources", tmp_path / "sources")))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """Return a bundle of EASE on the tiny world, in a folder of its own."""
    return Path(shutil.copytree(made / "bundle", tmp_path / "bundle"))


def in_folder(root: Path) -> dict[str, Path]:
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


@pytest.fixture(scope="session")
def empty_database(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database without a version, made once: the tables take seconds."""
    home = tmp_path_factory.mktemp("template")
    Registry(Settings(home=home).resolved(home), params.release).prepare()
    return home / "mlflow.db"


@pytest.fixture
def settings(empty_database: Path, tmp_path: Path) -> Settings:
    """Return settings of a home of its own, with an empty registry."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(empty_database, home / "mlflow.db")
    return Settings(home=home).resolved(tmp_path)


@pytest.fixture
def registry(settings: Settings, params: Params) -> Registry:
    return Registry(settings, params.release)


@pytest.fixture(scope="session")
def stocked(made: Path, empty_database: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose registry holds versions 1 to 4, none of them champion; made once, to copy.

    The files of the versions stay here: tests that damage them take `registry` and `register`.
    """
    root = tmp_path_factory.mktemp("stocked")
    home = root / "home"
    home.mkdir()
    shutil.copyfile(empty_database, home / "mlflow.db")
    registry = Registry(Settings(home=home).resolved(root), params.release)
    run = write_run(root / "run_folder")
    for mark in "abcd":
        register_in(registry, remade(made / "bundle", root / f"bundle-{mark}", mark), run)
    return home


def shelf_in(folder: Path, stocked: Path, params: Params) -> tuple[Registry, Settings]:
    home = Path(shutil.copytree(stocked, folder / "shelf", ignore=shutil.ignore_patterns("mlflow-artifacts")))
    settings = Settings(home=home).resolved(folder)
    return Registry(settings, params.release), settings


@pytest.fixture
def shelf(stocked: Path, params: Params, tmp_path: Path) -> tuple[Registry, Settings]:
    """Return a registry with versions 1 to 4, and its settings, in a home of its own."""
    return shelf_in(tmp_path, stocked, params)


def write_run(root: Path) -> Path:
    """Write what a run leaves beside its bundle."""
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


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run_folder")


def register_in(registry: Registry, bundle: Path, run: Path, metrics: dict[str, float] | None = None) -> int:
    lineage = Lineage(
        git_revision="0" * 40,
        git_dirty=False,
        data_version="d.dir",
        params_digest="p",
        bundle_digest=open_bundle(bundle).digest,
        as_of="2026-03-01T00:00:00+00:00",
        model="ease",
    )
    metrics = metrics or {"test/ease/ndcg_at_10": 0.25}
    return registry.register(bundle, lineage, metrics, run / "reports", run / "run/params.yaml", run / "dvc.lock")


Register = Callable[..., int]


@pytest.fixture
def register(registry: Registry, bundle: Path, run_folder: Path, tmp_path: Path) -> Register:
    """Return a function that registers a bundle: that of the tiny world, or another one by its mark."""

    def call(mark: str = "", metrics: dict[str, float] | None = None) -> int:
        folder = remade(bundle, tmp_path / f"bundle-{mark}", mark) if mark else bundle
        return register_in(registry, folder, run_folder, metrics)

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


def write_decision(path: Path, registry: Registry, version: int, **changes: Any) -> Path:
    """Write the decision to promote a version over the champion of now, with changes on top."""
    serving = registry.alias("champion")
    champion = registry.ref(serving.number) if serving else None
    ok = Check(name="gain over champion", passed=True, value=0.01, limit=0.0, why="shown")
    decision = Decision(
        verdict="promote",
        mode="enabled",
        bootstrap=champion is None,
        reasons=["better"],
        checks=[ok, ok.model_copy(update={"name": "latency", "value": 3.0, "limit": 50.0})],
        gain=Interval(gain=0.02, low=0.01, high=0.03, n_users=500),
        users_needed=None,
        challenger_version=version,
        challenger_digest=registry.version(version).lineage.bundle_digest,
        champion=champion,
        primary="ndcg_at_10",
        as_of="2026-03-01T00:00:00+00:00",
        evaluation_digest=sha256(b"{}").hexdigest(),
        decided_at="2026-03-01T04:00:00+00:00",
    )
    path.write_text(Decision.model_validate(decision.model_dump() | changes).model_dump_json(indent=1))
    return path


@pytest.fixture
def decide(shelf: tuple[Registry, Settings], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the decision to promote a version of the shelf; changes on top."""

    def call(version: int, **changes: Any) -> Path:
        return write_decision(tmp_path / f"decision-{version}-{uuid.uuid4().hex}.json", shelf[0], version, **changes)

    return call
