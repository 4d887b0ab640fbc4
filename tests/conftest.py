"""Fixtures that the tests of every package may use."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.contracts import Catalogue, Interactions, Users
from components.experiments.definition import Arm, Experiment
from tests.support import checkerboard

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture
def world() -> tuple[Interactions, Catalogue, Users]:
    """Return the checkerboard."""
    return checkerboard()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data sets, or skip and say so."""
    folder = Path(os.environ.get("CAROUSEL_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set CAROUSEL_REAL_DATA")
    return folder


@pytest.fixture
def experiment() -> Experiment:
    """Half of the users see version 1, half version 2."""
    return Experiment(
        name="spring",
        salt="s",
        arms=[Arm(name="control", role="champion", share=0.5), Arm(name="new", role="challenger", share=0.5)],
        metric="conversion",
        window_hours=24,
        alpha=0.05,
        min_users=50,
        target_users=1000,
        started=datetime(2026, 3, 1, tzinfo=UTC),
        versions={"control": 1, "new": 2},
        bundles={"control": "a" * 64, "new": "b" * 64},
    )
