"""All recommenders by name: made from the parameters, or loaded from a folder that says what it holds."""

from pathlib import Path
from typing import get_args

from components.contracts import Recommender
from components.errors import ContractError, ParamsError
from components.params import ModelName, Params
from components.recommenders.als import AlsRecommender
from components.recommenders.base import BaseRecommender
from components.recommenders.content import ContentRecommender
from components.recommenders.ease import EaseRecommender
from components.recommenders.neighbours import NeighboursRecommender
from components.recommenders.popularity import PopularityRecommender
from components.recommenders.storage import read_settings

NAMES: tuple[str, ...] = get_args(ModelName)
SIMPLE = tuple(name for name in NAMES if name != "sequence")  # what the stage `fit` fits


def create(name: str, params: Params) -> Recommender:
    """Return an unfitted model; raises ParamsError for a name that is not in NAMES."""
    models, prior = params.models, params.models.popularity
    model: BaseRecommender
    match name:
        case "popularity":
            model = PopularityRecommender(prior)
        case "neighbours":
            model = NeighboursRecommender(models.neighbours, prior)
        case "als":
            model = AlsRecommender(models.als, prior, params.seed)
        case "ease":
            model = EaseRecommender(models.ease, prior)
        case "content":
            model = ContentRecommender(models.content, prior)
        case "sequence":
            from components.recommenders.sequence.recommender import SequenceRecommender

            model = SequenceRecommender(models.sequence, params.trainer, params.seed, params.recommend.exclude_seen)
        case _:
            raise ParamsError(f"unknown model {name!r}; know {list(NAMES)}")
    model.batch_users = params.recommend.batch_users
    return model


def load_model(folder: Path, batch_users: int | None = None) -> Recommender:
    """Return the model in the folder, whichever it is, set to rank `batch_users` at once (recommend.batch_users).

    Raises ContractError when the folder holds none, or not the one that it names.
    """
    name = read_settings(folder)["name"]
    if name not in NAMES:
        raise ContractError(f"{folder}/model.json names model {name!r}; know {list(NAMES)}")
    model = _class(name).load(folder)
    if batch_users is not None:
        model.batch_users = batch_users
    return model


def _class(name: str) -> type[BaseRecommender]:
    if name == "sequence":
        from components.recommenders.sequence.recommender import SequenceRecommender

        return SequenceRecommender
    known: tuple[type[BaseRecommender], ...] = (
        PopularityRecommender,
        NeighboursRecommender,
        AlsRecommender,
        EaseRecommender,
        ContentRecommender,
    )
    return next(kind for kind in known if kind.name == name)
