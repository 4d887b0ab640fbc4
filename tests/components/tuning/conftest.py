"""A checkout with a split and features on disk, and parameters of a short search."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components.params import Params, load
from tests.components.tuning.support import SMALL, make_root
from tests.support import ROOT


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkout, made once, for reading only."""
    return make_root(tmp_path_factory.mktemp("made"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a private copy of the checkout, which the test may change."""
    return make_root(tmp_path / "checkout")


@pytest.fixture
def params_of() -> Callable[..., Params]:
    """Return a function that makes small parameters with overrides."""
    return lambda *lines: load(ROOT / "params.yaml", overrides=[*SMALL, *lines])


@pytest.fixture
def params(params_of: Callable[..., Params]) -> Params:
    return params_of()
