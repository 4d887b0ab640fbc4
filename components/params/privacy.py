"""Section privacy: personal data in texts, what users have agreed to, and learning with noise."""

from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from components.params.base import Count, Positive, Section, Share

PersonalData = Literal["email", "phone", "card", "iban", "national_id", "passport", "messenger", "address"]
ConsentPurpose = Literal["recommend", "advertise", "measure"]
PERSONAL_DATA: tuple[PersonalData, ...] = get_args(PersonalData)
PURPOSES: tuple[ConsentPurpose, ...] = get_args(ConsentPurpose)


def _refuse_repeated(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise ValueError(f"each value once, got {values}")
    return values


class PrivacyParams(Section):
    """Personal data in texts, consent, deletion, and differential privacy."""

    mask: Annotated[list[PersonalData], AfterValidator(_refuse_repeated)] = Field(
        default=[*PERSONAL_DATA],
        description="kinds of personal data that are masked in titles, descriptions, reviews and searches; []: none",
    )
    default_consent: Annotated[list[ConsentPurpose], AfterValidator(_refuse_repeated)] = Field(
        default=[*PURPOSES], description="purposes for which an event that states no consent may be used"
    )
    unlearn_days: Annotated[float, Field(gt=0, le=365)] = Field(
        default=7,
        description="days after `carousel forget` until a model fitted without the user has to serve; later: an alarm",
    )
    epsilon: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        default=None,
        description="budget of differential privacy of one version, for users; null: models learn without noise",
    )
    delta: Annotated[float, Field(gt=0, lt=0.01)] = Field(
        default=1e-5, description="probability with which epsilon may be exceeded; below 1 / number of users"
    )
    sums_share: Share = Field(
        default=0.4, description="share of the budget for the sums of popularity, EASE and transitions"
    )
    sequence_share: Share = Field(
        default=0.4, description="share of the budget for the sequence model; 0: none is made"
    )
    ranker_share: Share = Field(default=0.2, description="share of the budget for the ranker; 0: none is made")
    clip_norm: Positive = Field(default=1.0, description="L2 norm to which the gradient of one user is clipped")
    users_per_step: Count = Field(default=256, description="users that are expected in a step of private training")
    max_items: Count = Field(
        default=20, description="products of one user that count in full in sums; with more, each counts less"
    )
    pair_items: Count = Field(
        default=500, description="most popular products between which EASE and transitions count pairs"
    )

    @model_validator(mode="after")
    def shares_are_parts(self) -> Self:
        """Require that the shares are parts of one budget, and that the sums, which every version has, have one."""
        if self.sums_share == 0 or self.sums_share + self.sequence_share + self.ranker_share > 1 + 1e-9:
            raise ValueError("expected sums_share above 0, and no more than 1 for all shares together")
        return self
