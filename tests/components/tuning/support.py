"""A checkout with a split and features on disk, and small search spaces."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.components.evaluation.support import N_ITEMS, write_split

SMALL = [
    "evaluation.ks=[2, 5]", "evaluation.primary=ndcg_at_5", "gate.resamples=200", "models.ease.l2=100000",
    "models.sequence.dim=16", "models.sequence.blocks=1", "models.sequence.max_length=8", "trainer.accelerator=cpu",
    "trainer.batch_size=96", "tune.models=[ease]", "tune.trials=4", "tune.startup_trials=2", "tune.max_epochs=3",
    "tune.min_epochs=1", "tune.space={models.ease.l2: {low: 1, high: 1000000, log: true}, "
    "models.ease.max_items: {low: 20, high: 40}, trainer.learning_rate: {low: 0.0000001, high: 0.03, log: true}}",
]  # fmt: skip


def make_root(root: Path) -> Path:
    write_split(root / "data/split")
    noise = np.random.default_rng(0).normal(0, 0.3, (N_ITEMS + 1, 8))
    vectors = noise + 2 * np.eye(8)[np.arange(N_ITEMS + 1) % 2]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0
    (root / "features").mkdir()
    save_file({"embedding": vectors.astype(np.float16)}, root / "features/items.safetensors")
    return root
