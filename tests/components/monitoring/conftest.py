"""Snapshots of a steady shop and of one whose users change their preference."""

from pathlib import Path

import pytest

from components.params import Params, load
from tests.components.monitoring.support import catalogue, visits, write_snapshot
from tests.support import ROOT


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a snapshot of a shop that does not change."""
    return write_snapshot(tmp_path_factory.mktemp("steady"), visits(1), catalogue())


@pytest.fixture(scope="session")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a snapshot of a shop where four of ten users change their taste on SHIFT."""
    return write_snapshot(tmp_path_factory.mktemp("shifted"), visits(1, shift_share=0.4), catalogue())


@pytest.fixture(scope="session")
def params() -> Params:
    """Return the defaults."""
    return load(ROOT / "params.yaml")
