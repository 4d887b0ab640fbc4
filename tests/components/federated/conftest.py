"""Small parameters."""

from pathlib import Path

import pytest

from components.params import Params, load
from tests.components.recommenders.support import SMALL

FEDERATED = ["federated.rounds=2", "federated.deadline_s=30", "models.sequence.dropout=0", "trainer.batch_size=64"]


@pytest.fixture(scope="session")
def params() -> Params:
    """Return params.yaml, models made small."""
    return load(Path(__file__).parents[3] / "params.yaml", overrides=[*SMALL, *FEDERATED])
