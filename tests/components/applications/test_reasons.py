"""Reasons of gates: English text by a key, and the same keys in the page's Chinese dictionary."""

import json
import re

import pytest

from components.applications.reasons import OTHER, TEMPLATES, UnmetError, give_reason, reason_of
from components.errors import ContractError
from components.serving.http.page_files import FOLDER


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_the_text_is_made_of_the_values() -> None:
    reason = give_reason("value_few_repeaters", n=7, expected=50)
    assert reason.text == "BG/NBD: 7 customers bought again, expected 50 or more; wait for a longer history"
    assert reason.values == {"n": "7", "expected": "50"}


def test_a_missing_value_and_an_unknown_key_are_errors() -> None:
    with pytest.raises(KeyError, match="expected"):
        give_reason("value_few_repeaters", n=7)
    with pytest.raises(KeyError, match="nonsense"):
        give_reason("nonsense")


def test_an_error_keeps_its_reason_and_one_without_a_key_is_text() -> None:
    with pytest.raises(ContractError, match="no campaign has a holdout group") as caught:
        raise UnmetError("uplift_no_holdout")
    assert reason_of(caught.value) == give_reason("uplift_no_holdout")
    other = reason_of(ContractError("the file is damaged"))
    assert (other.key, other.text, other.values) == (OTHER, "the file is damaged", {})


def test_the_page_has_each_reason_in_chinese_with_the_same_values() -> None:
    chinese = json.loads((FOLDER / "i18n/zh.json").read_text(encoding="utf-8"))
    translated = {key.removeprefix("why."): text for key, text in chinese.items() if key.startswith("why.")}
    assert translated.keys() == TEMPLATES.keys()
    for key, text in TEMPLATES.items():
        assert placeholders(translated[key]) == placeholders(text), key
