"""Sections recommend and models: how lists are made, and one section for each recommender."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from components.params.base import Count, ModelName, Positive, Section, Share, Size


class RecommendParams(Section):
    """How lists are made."""

    exclude_seen: bool
    batch_users: Count = Field(default=512, description="users ranked at once; memory: this x n_items x 4 bytes")


class PopularityParams(Section):
    """Popularity with exponential decay."""

    half_life_days: Positive


class BuyAgainParams(Section):
    """The user's own items, by decayed frequency; only where recommend.exclude_seen is false."""

    half_life_days: Positive = Field(
        default=120, description="days before the newest event of the user at which one has half the weight"
    )
    popularity: Positive = Field(
        default=1.0, description="score of the most popular item for users who never took it, in new own events"
    )


class NeighboursParams(Section):
    """Item k-nearest-neighbours with BM25 weights."""

    n_neighbours: Count = Field(default=100, description="neighbours kept per item")
    k1: Positive = Field(default=0.5, description="BM25 saturation of repeated events")
    b: Share = Field(default=0.5, description="BM25 normalisation of popular items; 0: none, 1: full")
    recency: Share


class TransitionsParams(Section):
    """Directed transitions: what came in the moments after an item."""

    recency: Share = Field(
        default=0.5, description="weight of a moment of the history is multiplied by this for each later one"
    )
    max_steps: Count = Field(
        default=4, description="moments after an item whose items count as next; time grows with it"
    )
    step_decay: Share = Field(default=0.6, description="a count is multiplied by this for each moment in between")
    backward: Share = Field(default=0.5, description="share of a count that counts against its direction, too")
    damping: Share = Field(
        default=0.2, description="power of an item's count by which its scores are divided; 0: popular items lead"
    )


class AlsParams(Section):
    """Matrix factorisation by alternating least squares on implicit feedback."""

    factors: Count
    regularization: Positive = Field(default=0.05, description="L2 penalty on the factors")
    alpha: Positive
    iterations: Count = Field(default=15, description="alternating passes over users and items")
    recency: Share


class EaseParams(Section):
    """EASE (linear item-item model) with recency weights."""

    l2: Positive
    recency: Share
    max_items: Count = Field(
        default=15_000,
        description="most popular items that enter the n x n inverse: 4 n^2 bytes, time grows with n^3",
    )
    max_weights_per_item: Count = Field(default=300, description="largest weights kept per item in the saved model")


class ContentParams(Section):
    """Similarity of text embeddings to those of the user's items."""

    recency: Share
    dims: Size = Field(
        default=128,
        description="leading singular directions of the embeddings that are compared; fewer: faster; 0: all",
    )


class TfidfParams(Section):
    """Rare words that an item shares with the user's items."""

    recency: Share = Field(
        default=0.8, description="weight of a user's event is multiplied by this for each later event; 1: no decay"
    )
    max_share: Share = Field(default=0.5, description="share of the items; words of more are left out")


class MultimodalParams(Section):
    """Similarity of words and of pictures, or other vectors, to those of the user's items; where the shop has them."""

    gate: Positive = Field(default=0.4, description="weight of a cosine of pictures, beside one of words")
    recency: Share = Field(
        default=0.97, description="weight of a user's event is multiplied by this for each later event; 1: no decay"
    )
    dims: Count = Field(default=128, description="leading directions of each kind of vector that models read")


class InterestsParams(Section):
    """Items popular in the user's categories."""

    recency: Share
    prior: Positive = Field(
        default=1.0, description="events at which the user's own categories weigh as much as everybody's"
    )
    smoothing: Positive = Field(
        default=0.1, description="share of the mean item's sales added to the sales of every item"
    )
    half_life_days: Positive = Field(default=365, description="days after which a sale has half the weight")


class SequenceParams(Section):
    """The causal transformer over a user's events."""

    dim: Count
    blocks: Count
    heads: Count = Field(default=2, description="attention heads; they divide dim")
    dropout: Share
    max_length: Annotated[int, Field(ge=2)]
    summarised_events: Size = Field(
        default=150, description="events before max_length that enter as one input, their mean; 0: none"
    )
    id_evidence: Positive = Field(
        default=5.0, description="training events at which an item's own id vector reaches half of its weight"
    )
    temperature: Positive = Field(default=0.07, description="of the softmax over the items' unit vectors")
    softmax_items: Count = Field(
        default=20_000,
        description="items up to which the softmax is full; above, it is sampled: so many drawn items and the batch's",
    )
    item_graph_neighbours: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0,
        description="items taken by the same users that an item's vector attends to; 0: none. Doubles the time",
    )
    members: Annotated[int, Field(ge=1, le=16)] = Field(
        default=1,
        description="networks from different random weights whose scores are averaged; time and size grow with it",
    )
    profile: bool = Field(default=True, description="input counts of events and mean price level before each event")
    event_heads: bool

    @model_validator(mode="after")
    def heads_divide(self) -> "SequenceParams":
        """Require dim to be a multiple of heads."""
        if self.dim % self.heads:
            raise ValueError(f"models.sequence.dim {self.dim} is not a multiple of heads {self.heads}")
        return self


class HybridParams(Section):
    """A weighted sum of the other recommenders, fitted on the validation window."""

    parts: Annotated[list[ModelName], Field(min_length=1)]
    candidates: Count = Field(
        default=100,
        description="best items of each part that the weights are fitted on; memory: this x parts x users",
    )
    max_users: Count = Field(default=5000, description="validation users that the weights are fitted on; bounds time")
    min_slice_users: Count = Field(
        default=200, description="users that a slice (cold, warm) needs for weights of its own"
    )
    min_gain: Share
    cold_item_max_ndcg_loss: Share
    cold_item_neighbour_pool: Count = Field(
        default=20_000,
        description="items with most events from which a cold item takes scores, by text similarity; bounds time",
    )


class ModelsParams(Section):
    """One section for each recommender."""

    popularity: PopularityParams
    buy_again: BuyAgainParams = Field(default_factory=BuyAgainParams)
    neighbours: NeighboursParams
    als: AlsParams
    ease: EaseParams
    content: ContentParams
    tfidf: TfidfParams = Field(default_factory=TfidfParams)
    transitions: TransitionsParams = Field(default_factory=TransitionsParams)
    multimodal: MultimodalParams = Field(default_factory=MultimodalParams)
    interests: InterestsParams
    sequence: SequenceParams
    hybrid: HybridParams
    custom: dict[str, dict[str, Any]] = Field(
        default={},
        description="recommender -> parameter -> value, for those that declare their parameters in their own file",
    )
