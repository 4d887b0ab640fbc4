"""All recommenders by name: made from the parameters, or loaded from a folder that says what it holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from components.contracts import Recommender
from components.errors import ContractError, ParamsError
from components.params import ModelName, Params
from components.recommenders.als import AlsRecommender
from components.recommenders.content import ContentRecommender
from components.recommenders.ease import EaseRecommender
from components.recommenders.hybrid import HybridRecommender
from components.recommenders.interests import InterestsRecommender
from components.recommenders.neighbours import NeighboursRecommender
from components.recommenders.popularity import PopularityRecommender
from components.recommenders.storage import read_settings

NAMES: tuple[str, ...] = get_args(ModelName)
SIMPLE = tuple(name for name in NAMES if name not in ("sequence", "hybrid"))  # what the stage `fit` fits


def model_folder(models: Path, name: str) -> Path:
    """Return where the stages fit, finetune and blend put a model."""
    return models / "simple" / name if name in SIMPLE else models / name


def create(name: str, params: Params) -> Recommender:
    """Return an unfitted model; raises ParamsError for a name that is not in NAMES."""
    models, prior = params.models, params.models.popularity
    match name:
        case "popularity":
            return PopularityRecommender(prior)
        case "neighbours":
            return NeighboursRecommender(models.neighbours, prior)
        case "als":
            return AlsRecommender(models.als, prior, params.seed)
        case "ease":
            return EaseRecommender(models.ease, prior)
        case "content":
            return ContentRecommender(models.content, prior, params.ann.min_items)
        case "interests":
            return InterestsRecommender(models.interests)
        case "sequence":
            from components.recommenders.sequence.recommender import SequenceRecommender

            return SequenceRecommender(models.sequence, params.trainer, params.seed, params.recommend.exclude_seen)
        case "hybrid":
            return hybrid_of({part: create(part, params) for part in models.hybrid.parts}, params)
        case _:
            raise ParamsError(f"unknown model {name!r}; know {list(NAMES)}")


def hybrid_of(parts: Mapping[str, Recommender], params: Params) -> HybridRecommender:
    """Return the hybrid of these parts, without weights yet."""
    cold = params.evaluation.cold_user_events
    return HybridRecommender(parts, params.models.hybrid, cold, params.recommend.exclude_seen)


def load_model(folder: Path) -> Recommender:
    """Return the model in the folder, whichever it is; raises ContractError when it holds none that we know."""
    name = read_settings(folder)["name"]
    match name:
        case "popularity":
            return PopularityRecommender.load(folder)
        case "neighbours":
            return NeighboursRecommender.load(folder)
        case "als":
            return AlsRecommender.load(folder)
        case "ease":
            return EaseRecommender.load(folder)
        case "content":
            return ContentRecommender.load(folder)
        case "interests":
            return InterestsRecommender.load(folder)
        case "sequence":
            from components.recommenders.sequence.recommender import SequenceRecommender

            return SequenceRecommender.load(folder)
        case "hybrid":
            return HybridRecommender.load(folder)
        case _:
            raise ContractError(f"{folder}/model.json names model {name!r}; know {list(NAMES)}")
