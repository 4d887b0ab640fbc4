"""Sections trainer and ranking: training of the sequence model, and the ranker."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.params.base import Count, LearningRate, Positive, Section, Share


class TrainerParams(Section):
    """Training of the sequence model by Lightning."""

    accelerator: Literal["auto", "cpu", "gpu"]
    devices: Annotated[int, Field(ge=-1)]
    strategy: Literal["auto", "ddp"] = Field(
        default="auto", description="auto or ddp; auto takes DDP where there are several devices"
    )
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    max_epochs: Count
    max_steps: Count = Field(default=100_000, description="steps in all epochs, at most")
    patience: Count
    batch_size: Count
    learning_rate: LearningRate
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.01, description="of AdamW")
    warmup_share: Share = Field(default=0.05, description="share of steps in which the learning rate rises")
    gradient_clip: Positive = Field(default=1.0, description="global norm at which gradients are clipped")
    max_minutes: Positive
    checkpoint_every_steps: Count = Field(
        default=200, description="steps between checkpoints; a killed run resumes from the newest"
    )


class RankingParams(Section):
    """The ranker: probabilities of click, cart and purchase for a product that is shown."""

    configuration: Literal["three_branches", "seed_faithful"]
    branches: Annotated[list[Literal["text", "user", "item"]], Field(min_length=1)] = Field(
        default=["text", "user", "item"], description="inputs: texts of user and product, user profile, item profile"
    )
    tasks: dict[Literal["click", "cart", "purchase"], Annotated[float, Field(gt=0, le=1000)]]
    dropout: Share = Field(default=0.2, description="share of activations set to 0 in training")
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.0, description="of the focal loss; above 0: examples that are already right weigh less"
    )
    recency: Share = Field(
        default=0.9,
        description="weight of an event in the user's text vector is multiplied by this for each later event",
    )
    attribution_hours: Positive
    negatives: Count = Field(
        default=4, description="items drawn for each that was taken, where the shop logs no impressions"
    )
    max_examples: Annotated[int, Field(ge=100)] = Field(
        default=200_000, description="examples, drawn evenly where there are more; bounds time"
    )
    holdout_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="newest share of examples: the older half for early stopping, the newer calibrates"
    )
    max_epochs: Count
    patience: Count = Field(default=2, description="epochs without a lower holdout loss after which training stops")
    batch_size: Count = Field(default=256, description="examples per step")
    learning_rate: LearningRate
    seed_learning_rate: LearningRate = Field(
        default=0.001, description="of seed_faithful: the default of Adam, as the article names no rate"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.01, description="of AdamW")

    @model_validator(mode="after")
    def complete(self) -> "RankingParams":
        """Require a weight for each task, and no branch twice."""
        if len(self.tasks) != 3 or len(set(self.branches)) != len(self.branches):
            raise ValueError("ranking: expected a weight for each of click, cart and purchase, and no branch twice")
        return self
