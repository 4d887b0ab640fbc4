"""The table of all recommenders: from a name to its class, to an unfitted model, to the model in a folder.

A new recommender is one file with its class and one line in MODELS (docs/extending.md). The lines stand in the order of
simplicity, the simplest first: of candidates that cannot be told apart the first is chosen, and a model ships only if
it beats the simple models before it.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from components.contracts import Recommender
from components.errors import ContractError, ParamsError
from components.params import Params
from components.recommenders.base import BaseRecommender
from components.recommenders.storage import read_settings


class Entry(NamedTuple):
    """Where a recommender's class is, imported when it is needed (torch takes seconds), and which stage fits it."""

    path: str  # "module:Class"
    stage: str = "fit"
    repeats_only: bool = False  # ranks only what the history holds: of use where recommend.exclude_seen is false
    needs_vectors: bool = False  # of use where the shop has pictures or other vectors of its products
    is_private: bool = True  # whether it can learn with noise (privacy.epsilon); False: it needs each user's events


MODELS: dict[str, Entry] = {
    "popularity": Entry("components.recommenders.popularity:PopularityRecommender"),
    "buy_again": Entry("components.recommenders.buy_again:BuyAgainRecommender", repeats_only=True),
    "interests": Entry("components.recommenders.interests:InterestsRecommender"),
    "tfidf": Entry("components.recommenders.tfidf:TfidfRecommender"),
    "content": Entry("components.recommenders.content:ContentRecommender"),
    "multimodal": Entry("components.recommenders.multimodal:MultimodalRecommender", needs_vectors=True),
    "neighbours": Entry("components.recommenders.neighbours:NeighboursRecommender", is_private=False),
    "transitions": Entry("components.recommenders.transitions:TransitionsRecommender"),
    "ease": Entry("components.recommenders.ease:EaseRecommender"),
    "als": Entry("components.recommenders.als:AlsRecommender", is_private=False),
    "sequence": Entry("components.recommenders.sequence.recommender:SequenceRecommender", stage="finetune"),
    "hybrid": Entry("components.recommenders.hybrid:HybridRecommender", stage="blend", is_private=False),
}
PARTS = tuple(name for name, entry in MODELS.items() if entry.stage != "blend")  # parts that a blend may have
SIMPLE = tuple(name for name, entry in MODELS.items() if entry.stage == "fit")


def usable(names: Iterable[str], params: Params) -> list[str]:
    """Return the names of the models that this shop can use.

    Where lists exclude seen items, models that rank these alone are left out; without pictures and other vectors, those
    that read them; where privacy.epsilon is set, those that cannot learn with noise.
    """
    unusable = {
        name
        for name, entry in MODELS.items()
        if (entry.repeats_only and params.recommend.exclude_seen)
        or (entry.needs_vectors and params.data.pictures is None and not params.data.vectors)
        or (params.privacy.epsilon is not None and not entry.is_private)
        or (params.privacy.epsilon is not None and name == "sequence" and params.privacy.sequence_share == 0)
    }
    return [name for name in names if name not in unusable]


def baseline_names(params: Params) -> list[str]:
    """Return the models that the challenger is held against: evaluation.baselines, or all simple ones."""
    return usable(params.evaluation.baselines or SIMPLE, params)


def candidate_names(params: Params) -> list[str]:
    """Return the models of which the best is the challenger."""
    return usable(params.evaluation.candidates, params)


def compared_names(params: Params) -> list[str]:
    """Return the candidates and the baselines, each once, from the simplest on."""
    named = {*candidate_names(params), *baseline_names(params)}
    return [name for name in MODELS if name in named]


def model_class(name: str) -> type[BaseRecommender]:
    """Return the class of a recommender; raises ParamsError for a name that is not in MODELS."""
    if name not in MODELS:
        raise ParamsError(f"unknown model {name!r}; known are {list(MODELS)}")
    module, _, attribute = MODELS[name].path.partition(":")
    found: type[BaseRecommender] = getattr(import_module(module), attribute)
    return found


def create(name: str, params: Params) -> Recommender:
    """Return an unfitted model; raises ParamsError for an unknown name or wrong parameters."""
    return model_class(name).from_params(params)


def load_model(folder: Path) -> Recommender:
    """Return the model in the folder, of any known class; raises ContractError for an unknown one."""
    name = read_settings(folder)["name"]
    if name not in MODELS:
        raise ContractError(f"{folder}/model.json names model {name!r}; known are {list(MODELS)}")
    return model_class(name).load(folder)


def model_folder(models: Path, name: str) -> Path:
    """Return where the stages fit, finetune and blend put a model."""
    return models / "simple" / name if name in SIMPLE else models / name


def check_names(params: Params) -> None:
    """Raise ParamsError where the parameters name a model that is not in MODELS, or a blend that contains a blend."""
    known: dict[str, tuple[Sequence[str], Sequence[str]]] = {
        "evaluation.candidates": (params.evaluation.candidates, tuple(MODELS)),
        "evaluation.baselines": (params.evaluation.baselines, tuple(MODELS)),
        "models.hybrid.parts": (params.models.hybrid.parts, PARTS),
        "tune.models": (params.tune.models, PARTS),
        "models.custom": (list(params.models.custom), [n for n in MODELS if n not in type(params.models).model_fields]),
    }
    for parameter, (names, allowed) in known.items():
        unknown = sorted(set(names) - set(allowed))
        if unknown:
            raise ParamsError(f"{parameter}: unknown model(s) {unknown}; expected some of {list(allowed)}")
    if not candidate_names(params):
        names = params.evaluation.candidates
        raise ParamsError(
            f"evaluation.candidates {names} cannot be used: name another model. A model may rank only what users have "
            "seen (set recommend.exclude_seen to false), need vectors of products (data.pictures, data.vectors), or be "
            f"unable to learn with noise (privacy.epsilon): {[n for n, e in MODELS.items() if not e.is_private]}"
        )
    for name in params.models.custom:
        create(name, params)
