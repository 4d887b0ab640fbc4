"""The base of all sections: a frozen class that refuses unknown names, and the types of single values."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=0)]
LearningRate = Annotated[float, Field(gt=0, le=1)]
EventName = Literal["view", "cart", "purchase", "return", "impression", "click"]
ModelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]  # recommenders/factory.py defines which exist


class Section(BaseModel):
    """A frozen section of the parameters; an unknown name is an error.

    A field without a default is set in params.yaml, and its comment there describes it. A field with a default is not
    in params.yaml, and its `description` here describes it. An overlay or `--set` changes either kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def from_saved(cls, content: Any) -> Self:
        """Return the section of a saved model; raises ValueError where a value is missing: no default replaces it."""
        section = cls.model_validate(content)
        missing = set(cls.model_fields) - section.model_fields_set
        if missing:
            raise ValueError(f"no value for {sorted(missing)}")
        return section
