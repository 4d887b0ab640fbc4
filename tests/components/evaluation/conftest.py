"""A split on disk, and small parameters."""

from pathlib import Path

import pytest

from components.params import Params
from tests.components.evaluation.support import small_params, write_split


@pytest.fixture
def split(tmp_path: Path) -> Path:
    return write_split(tmp_path / "data" / "split")


@pytest.fixture
def params() -> Params:
    return small_params()
