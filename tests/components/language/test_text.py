"""Different notations of a text are normalised to the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.language.text import is_chinese, normalise


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


def test_is_chinese() -> None:
    assert is_chinese("tea 茶")
    assert not is_chinese("tea, ティー, 차")
