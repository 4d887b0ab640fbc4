"""An experiment, and users who behave as they are told."""

from datetime import UTC, datetime

import pytest

from components.experiments.definition import Arm, Experiment

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def experiment() -> Experiment:
    return Experiment(
        name="spring",
        salt="s",
        arms=[Arm(name="control", role="champion", share=0.5), Arm(name="new", role="challenger", share=0.5)],
        metric="conversion",
        window_hours=24,
        alpha=0.05,
        min_users=50,
        tightest_at=1000,
        started=START,
        versions={"control": 1, "new": 2},
        bundles={"control": "a" * 64, "new": "b" * 64},
    )
