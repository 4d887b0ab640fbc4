"""Section tune: the search over parameters and the learning curve."""

from typing import Annotated

from pydantic import Field, model_validator

from components.params.base import Count, ModelName, Positive, Section


class SearchRange(Section):
    """The search range of a parameter; only integers for an integer parameter."""

    low: float = Field(description="smallest value")
    high: float = Field(description="largest value")
    log: bool = Field(default=False, description="sample the logarithm evenly")

    @model_validator(mode="after")
    def is_a_range(self) -> "SearchRange":
        """Require low < high, and low > 0 where the search is by logarithm."""
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low} must be below high {self.high}, and above 0 with log")
        return self


SPACE = {
    "models.popularity.half_life_days": SearchRange(low=1, high=60, log=True),
    "models.neighbours.n_neighbours": SearchRange(low=10, high=500, log=True),
    "models.neighbours.recency": SearchRange(low=0.7, high=1.0),
    "models.als.factors": SearchRange(low=16, high=128, log=True),
    "models.als.regularization": SearchRange(low=0.005, high=0.5, log=True),
    "models.als.alpha": SearchRange(low=0.5, high=40, log=True),
    "models.als.recency": SearchRange(low=0.7, high=1.0),
    "models.ease.l2": SearchRange(low=20, high=1000, log=True),
    "models.ease.recency": SearchRange(low=0.7, high=1.0),
    "models.content.recency": SearchRange(low=0.5, high=1.0),
    "models.interests.recency": SearchRange(low=0.5, high=1.0),
    "models.interests.prior": SearchRange(low=0.1, high=10, log=True),
    "models.sequence.dropout": SearchRange(low=0.0, high=0.5),
    "models.sequence.id_evidence": SearchRange(low=1, high=50, log=True),
    "models.sequence.temperature": SearchRange(low=0.03, high=0.2, log=True),
    "trainer.learning_rate": SearchRange(low=0.0003, high=0.003, log=True),
    "trainer.weight_decay": SearchRange(low=0.001, high=0.1, log=True),
}


class TuneParams(Section):
    """The search over parameters, and the learning curve."""

    models: Annotated[list[ModelName], Field(min_length=1)]
    trials: Count
    startup_trials: Count = Field(
        default=6, description="trials drawn at random before the sampler and the pruner use earlier trials"
    )
    max_minutes: Positive
    max_epochs: Count = Field(
        default=8, description="epochs of a trained model in a trial, where trainer.max_epochs is not lower"
    )
    min_epochs: Count = Field(
        default=2, description="epochs after which a trial below the median of the others is stopped"
    )
    label_shares: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] = Field(
        default=[0.01, 0.1, 1.0], description="shares of the training users that `carousel curve` trains on"
    )
    space: dict[str, SearchRange] = Field(
        default=SPACE, description="parameter -> range; an overlay replaces the whole dictionary"
    )

    def of(self, model: str) -> dict[str, SearchRange]:
        """Return the searched parameters of one model; those of `trainer` belong to the sequence model."""
        own = (f"models.{model}.", "trainer." if model == "sequence" else f"models.{model}.")
        return {name: bounds for name, bounds in self.space.items() if name.startswith(own)}

    @model_validator(mode="after")
    def every_model_has_a_range(self) -> "TuneParams":
        """Require each model once, with at least one parameter to search."""
        bare = [name for name in self.models if not self.of(name)]
        if bare or len(set(self.models)) < len(self.models):
            raise ValueError(f"tune.models {self.models}: each once, and tune.space needs a range for {bare or 'each'}")
        return self
