"""A bundle of the tiny world, and a separate registry for each test."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components.params import Params, load
from components.recommenders.factory import create
from components.release.bundle import BundleInfo, BundleSources, build_bundle
from components.release.registry import Registry
from components.release.versioning import reproduce_stage
from components.release.warm import DVC, warm_process
from components.release.warm_client import SOCKET
from components.settings import Settings
from tests.components.release.gate_cases import Case
from tests.components.release.support import (
    INFO,
    ROOT,
    Register,
    Registered,
    copy_registry,
    in_folder,
    register_in,
    remade,
    write_decision,
    write_items,
    write_run,
)
from tests.components.release.tiny_repo import STAGES, copy, make_repo
from tests.migrated_once import migrated_once
from tests.support import checkerboard

__all__ = ["migrated_once"]  # a fixture


@pytest.fixture(scope="session", autouse=True)
def _warm_process() -> Iterator[None]:
    """Run DVC and `mlflow gc` in forks of a process that has imported them: a fifth of the time of an interpreter."""
    with warm_process(ROOT, (*DVC, "mlflow.cli")) as env, pytest.MonkeyPatch.context() as patch:
        patch.setenv(SOCKET, env[SOCKET])
        yield


@pytest.fixture(scope="session")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["models.ease.l2=5", "models.als.factors=2"])


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
    build_bundle(root / "bundle", in_folder(root / "sources"), INFO)
    return root


@pytest.fixture
def sources(made: Path, tmp_path: Path) -> BundleSources:
    """Return the sources of a bundle, in a separate folder."""
    return in_folder(Path(shutil.copytree(made / "sources", tmp_path / "sources")))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """Return a bundle of EASE on the tiny world, in a separate folder."""
    return Path(shutil.copytree(made / "bundle", tmp_path / "bundle"))


@pytest.fixture(scope="session")
def empty_database(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database without a version, made once: the tables take seconds."""
    home = tmp_path_factory.mktemp("template")
    Registry(Settings(home=home).resolved(home), params.release).prepare()
    return home / "mlflow.db"


@pytest.fixture
def settings(empty_database: Path, tmp_path: Path) -> Settings:
    """Return settings of a separate home with an empty registry."""
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

    The files of the versions are not copied: tests that damage them use `registry` and `register`.
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


@pytest.fixture
def registered(stocked: Path, params: Params, tmp_path: Path) -> Registered:
    """Return a registry with versions 1 to 4, and its settings, in a separate home."""
    return copy_registry(tmp_path, stocked, params)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run_folder")


@pytest.fixture
def register(registry: Registry, bundle: Path, run_folder: Path, tmp_path: Path) -> Register:
    """Return a function that registers the bundle of the tiny world, or its variant named `mark`."""

    def call(mark: str = "", metrics: dict[str, float] | None = None) -> int:
        folder = remade(bundle, tmp_path / f"bundle-{mark}", mark) if mark else bundle
        return register_in(registry, folder, run_folder, metrics)

    return call


@pytest.fixture
def decide(registered: Registered, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the decision to promote a version of `registered`; changes on top."""

    def call(version: int, **changes: Any) -> Path:
        return write_decision(
            tmp_path / f"decision-{version}-{uuid.uuid4().hex}.json", registered[0], version, **changes
        )

    return call


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Return an evaluation whose challenger would be promoted; tests change it."""
    return Case(tmp_path)


@pytest.fixture(scope="session")
def done_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny repository whose stages have all run; made once, to copy."""
    root = make_repo(tmp_path_factory.mktemp("done") / "repo")
    for stage in STAGES:
        assert reproduce_stage(root, stage, 60).ran
    return root


@pytest.fixture
def repo(done_repo: Path, tmp_path: Path) -> Path:
    return copy(done_repo, tmp_path / "repo")
