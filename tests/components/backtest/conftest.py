"""The shop's snapshot, taken once, and an engine on it whose cache belongs to the test."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.backtest.engine import Engine
from tests.components.backtest.support import make_engine, make_snapshot


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_snapshot(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def engine_of(snapshot: Path, tmp_path: Path) -> Callable[..., Engine]:
    """Return a function that opens an engine with these overrides; two of one test share the cache."""

    def run(*sets: str) -> Engine:
        if not (tmp_path / "data/snapshot").is_dir():
            shutil.copytree(snapshot, tmp_path / "data/snapshot")
        return make_engine(tmp_path, *sets)

    return run


@pytest.fixture
def engine(engine_of: Callable[..., Engine]) -> Engine:
    return engine_of()
