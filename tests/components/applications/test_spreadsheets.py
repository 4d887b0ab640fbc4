"""No cell begins like a formula, and every text can be read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.applications.spreadsheets import QUOTE, defuse


@given(st.text())
def test_a_defused_text_never_begins_a_formula(text: str) -> None:
    assert not defuse(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert defuse(text).removeprefix("'") == text.removeprefix("'") or defuse(text) == f"'{text}"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_each_sign_gets_a_quote_at_the_beginning_only(sign: str) -> None:
    assert defuse(f"{sign}1") == f"{QUOTE}{sign}1"
    assert defuse(f"1{sign}") == f"1{sign}"
