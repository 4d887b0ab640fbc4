"""Texts that mean the same become the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.language.text import normalise


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two   blanks\tand\nlines ", "two blanks and lines"),
        ("ＡＢＣ１２３，全角", "ABC123,全角"),
        ("<b>Bold</b> &amp; <i>more</i>", "Bold & more"),
        ("3 < 5 and 7 > 6", "3 < 5 and 7 > 6"),
        ("zero\u200bwidth \u202eturned", "zero width turned"),
        ("a\x00b\x1fc", "a b c"),
        ("\ufeffmark", "mark"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("👍🏽 שלום 你好", "👍🏽 שלום 你好"),
        ("", ""),
    ],
)
def test_normalise(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@given(st.text(alphabet=st.characters(exclude_characters="<&"), max_size=200))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
