"""Section privacy: personal data in texts, and what users have agreed to."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from components.params.base import Section

PersonalData = Literal["email", "phone", "card", "iban", "national_id", "passport", "messenger", "address"]
ConsentPurpose = Literal["recommend", "advertise", "measure"]
PERSONAL_DATA: tuple[PersonalData, ...] = get_args(PersonalData)
PURPOSES: tuple[ConsentPurpose, ...] = get_args(ConsentPurpose)


def _refuse_repeated(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise ValueError(f"each value once, got {values}")
    return values


class PrivacyParams(Section):
    """Personal data in texts, and consent."""

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
