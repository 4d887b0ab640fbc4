"""A checkout with a split and features on disk, and a search that takes no time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from components.params import Params, load
from tests.components.evaluation.conftest import N_ITEMS, write_split

ROOT = Path(__file__).parents[3]
SMALL = [
    "evaluation.ks=[2, 5]", "evaluation.primary=ndcg_at_5", "gate.resamples=200", "models.ease.l2=100000",
    "models.sequence.dim=16", "models.sequence.blocks=1", "models.sequence.max_length=8", "trainer.accelerator=cpu",
    "trainer.batch_size=96", "tune.models=[ease]", "tune.trials=4", "tune.startup_trials=2", "tune.max_epochs=3",
    "tune.min_epochs=1", "tune.space={models.ease.l2: {low: 1, high: 1000000, log: true}, "
    "models.ease.max_items: {low: 20, high: 40}, trainer.learning_rate: {low: 0.0000001, high: 0.03, log: true}}",
]  # fmt: skip


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


def make_root(root: Path) -> Path:
    write_split(root / "data/split")
    noise = np.random.default_rng(0).normal(0, 0.3, (N_ITEMS + 1, 8))
    vectors = noise + 2 * np.eye(8)[np.arange(N_ITEMS + 1) % 2]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0
    (root / "features").mkdir()
    save_file({"embedding": vectors.astype(np.float16)}, root / "features/items.safetensors")
    return root
