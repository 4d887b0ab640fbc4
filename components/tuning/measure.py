"""One model with given parameters on the validation window. Nothing here opens the test window."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import components.recommenders
from components.contracts import Catalogue, FloatArray, Interactions, Users
from components.data.tables import read_catalogue, read_info, read_interactions, read_users
from components.evaluation.metrics import per_user
from components.evaluation.protocol import check_leakage, rank, window_users
from components.params import Params
from components.recommenders.factory import create

READ = ("train.parquet", "validation.parquet", "items.parquet")  # of the split; the test window is not among them


@dataclass(frozen=True)
class World:
    """What a trial learns from, and whom it is asked about."""

    interactions: Interactions
    catalogue: Catalogue
    tuning: Users  # the validation window, as models are given it when they are fitted
    asked: Users  # its users with something to be found


def digest(root: Path) -> str:
    """Return a digest of all that a trial reads, and of the models' code."""
    split = root / "data/split"
    info = read_info(split)
    found = sha256(f"{info.protocol} {info.train_end} {info.max_history}".encode())
    files = [*(split / name for name in READ), root / "features/items.safetensors"]
    files += sorted(Path(components.recommenders.__path__[0]).rglob("*.py"))
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()


def read_world(root: Path, params: Params) -> World:
    """Return the split and features below root; kept until they change, for the next trial asks for the same.

    Raises ContractError where validation data leaked into training data.
    """
    return _read(root, digest(root), params.recommend.exclude_seen)


@lru_cache(maxsize=1)
def _read(root: Path, _: str, exclude_seen: bool) -> World:
    split = root / "data/split"
    check_leakage(split, ("train", "validation"))
    return World(
        read_interactions(split),
        read_catalogue(split, root / "features"),
        read_users(split, "validation"),
        window_users(split, "validation", exclude_seen),
    )


def measure(
    world: World,
    model: str,
    params: Params,
    interactions: Interactions | None = None,
    after_epoch: Callable[[float], None] | None = None,
) -> FloatArray:
    """Fit the model on the interactions (default: all) and return the primary metric of each validation user.

    A trial is this one process, whatever trainer.devices a retrain has.
    after_epoch is told the validation NDCG of a model that is trained by epochs; what it raises ends the training.
    """
    trainer = params.trainer.model_copy(update={"devices": 1, "strategy": "auto"})
    recommender = create(model, params.model_copy(update={"trainer": trainer}))
    recommender.after_epoch = after_epoch
    recommender.fit(interactions or world.interactions, world.catalogue, world.tuning)
    k = int(params.evaluation.primary.rsplit("_", 1)[1])
    section, n_items = params.recommend, world.interactions.n_items
    lists = rank(recommender, world.asked, k, section.exclude_seen, n_items, section.batch_users)
    return per_user(lists, world.asked.ground_truth, [k])[params.evaluation.primary]
