"""A checkout with a split and features on disk, and parameters of a short search."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components.params import Params, load
from tests.components.tuning.support import SMALL, make_root
from tests.support import ROOT


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkout, made once, to read."""
    return make_root(tmp_path_factory.mktemp("made"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a checkout of one's own, to change."""
    return make_root(tmp_path / "checkout")


@pytest.fixture
def params_of() -> Callable[..., Params]:
    """Return a maker of small parameters, with lines on top."""
    return lambda *lines: load(ROOT / "params.yaml", overrides=[*SMALL, *lines])


@pytest.fixture
def params(params_of: Callable[..., Params]) -> Params:
    return params_of()
