"""Section selection of run/params.yaml: what a retrain selected from data. A pass that has it selects nothing."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from components.params.base import Count, ModelName, Section, Share

Weight = Annotated[float, Field(ge=0, le=1)]


class BlendParams(Section):
    """The weights of the hybrid, for users with few events and for the others."""

    parts: list[ModelName]
    weights: dict[Literal["cold", "warm"], dict[ModelName, Weight]]  # of each part
    cold_item_blend_weight: Share


class SearchWeightsParams(Section):
    """The weights of a query's signals (components/search/weights.py), learned from searches with clicks."""

    words: Annotated[float, Field(ge=0)]
    similarity: Annotated[float, Field(ge=0)]
    popularity: Annotated[float, Field(ge=0)]
    clicks: Annotated[float, Field(ge=0)]


class SelectionParams(Section):
    """What a retrain selected. With it, a stage takes these values and compares nothing."""

    recommender: ModelName  # the model that ships
    best_simple: ModelName  # the best simple model on validation, which stands beside it
    language: str  # digest of the language model that encodes the products
    sequence_epochs: Count | None  # None: the recipe has no sequence model
    ranker_epochs: Count | None  # None: it has no ranker
    blend: BlendParams | None  # None: it is no hybrid
    selected_until: AwareDatetime  # end of the events that the selection has seen
    search: SearchWeightsParams | None = None  # None: the weights of section search
