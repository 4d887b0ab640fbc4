"""One model with given parameters, measured on the validation window. The test window is never read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import components.recommenders
from components.contracts import Catalogue, FloatArray, Interactions, Users
from components.data.tables import read_catalogue, read_info, read_training, read_users
from components.evaluation.metrics import per_user
from components.evaluation.protocol import check_leakage, rank, window_users
from components.params import Params
from components.recommenders.factory import create

READ = ("train.parquet", "validation.parquet", "items.parquet")  # of the split; the test window is not among them
SHOWN = "train_shown.parquet"  # read where it is


@dataclass(frozen=True)
class TuningData:
    """The training events, the catalogue and the validation users of a trial."""

    interactions: Interactions
    catalogue: Catalogue
    fit_users: Users  # the validation window, as models get it when they are fitted
    eval_users: Users  # its users with a target left


def digest(root: Path) -> str:
    """Return a digest of all files that a trial reads, and of the models' code."""
    split = root / "data/split"
    info = read_info(split)
    found = sha256(f"{info.protocol} {info.train_end} {info.max_history}".encode())
    files = [*(split / name for name in READ), *split.glob(SHOWN), root / "features/items.safetensors"]
    files += sorted(Path(components.recommenders.__path__[0]).rglob("*.py"))
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()


def read_tuning_data(root: Path, params: Params) -> TuningData:
    """Return the split and features below root; cached until they change, as the next trial reads the same.

    Raises ContractError where validation data leaked into training data.
    """
    return _read(root, digest(root), params.recommend.exclude_seen)


@lru_cache(maxsize=1)
def _read(root: Path, _: str, exclude_seen: bool) -> TuningData:
    split = root / "data/split"
    check_leakage(split, ("train", "validation"))
    return TuningData(
        read_training(split),
        read_catalogue(split, root / "features"),
        read_users(split, "validation"),
        window_users(split, "validation", exclude_seen),
    )


def measure(
    data: TuningData,
    model: str,
    params: Params,
    interactions: Interactions | None = None,
    after_epoch: Callable[[float], None] | None = None,
) -> FloatArray:
    """Fit the model on the interactions (default: all) and return the primary metric of each validation user.

    A trial runs in this process alone, whatever trainer.devices is.
    after_epoch is called with the validation NDCG by models trained in epochs; an exception from it ends the training.
    """
    trainer = params.trainer.model_copy(update={"devices": 1, "strategy": "auto"})
    recommender = create(model, params.model_copy(update={"trainer": trainer}))
    recommender.after_epoch = after_epoch
    recommender.fit(interactions or data.interactions, data.catalogue, data.fit_users)
    k = int(params.evaluation.primary.rsplit("_", 1)[1])
    section, n_items = params.recommend, data.interactions.n_items
    lists = rank(recommender, data.eval_users, k, section.exclude_seen, n_items, section.batch_users)
    return per_user(lists, data.eval_users.ground_truth, [k])[params.evaluation.primary]
