"""Kinds of personal data and purposes: all by default, each at most once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components import params
from components.params import PERSONAL_DATA, PURPOSES


def test_by_default_every_kind_is_masked_and_every_purpose_is_agreed(file: Path) -> None:
    privacy = params.load(file).privacy
    assert tuple(privacy.mask) == PERSONAL_DATA
    assert tuple(privacy.default_consent) == PURPOSES


def test_a_shop_chooses_kinds_and_purposes(file: Path) -> None:
    privacy = params.load(file, overrides=["privacy.mask=[email, card]", "privacy.default_consent=[]"]).privacy
    assert (privacy.mask, privacy.default_consent) == (["email", "card"], [])


@pytest.mark.parametrize("override", ["privacy.mask=[name]", "privacy.default_consent=[recommend, recommend]"])
def test_unknown_and_repeated_values_are_refused(refusal: Callable[[str], str], override: str) -> None:
    assert override.partition("=")[0] in refusal(override)
